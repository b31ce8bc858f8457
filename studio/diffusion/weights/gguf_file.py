"""GGUF files: weights in blocks of few bits with a scale each, as llama.cpp writes them and others publish diffusion networks.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Blocks stay as they are in the file, memory-mapped, and become numbers
layer by layer while the network runs. Tensors whose shape does not go into blocks are stored as rows of 256, their true shape in
the metadata (`comfy.gguf.orig_shape`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from studio.diffusion.foreign import Foreign
from studio.diffusion.weights.header import TensorInfo
from studio.graph.errors import ModelUnreadable

if TYPE_CHECKING:
    import gguf

LARGEST_HEADER = 32 * 2**20
"""Bytes of metadata and tensor table. A vocabulary of 150,000 words takes 5 MB."""
_TRUE_SHAPE = "comfy.gguf.orig_shape."
_DOWNLOAD = "Download or copy the file again."


def read_gguf(path: Path) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    """The file's tensors by name and its texts ("general.architecture" ...). Raises ModelUnreadable for a damaged file."""
    reader = _reader(path)
    tensors = {one.name: TensorInfo(one.tensor_type.name, _shape(reader, one)) for one in reader.tensors}
    texts = {
        name: bytes(field.parts[field.data[0]]).decode("utf-8", "replace")
        for name, field in reader.fields.items()
        if [kind.name for kind in field.types] == ["STRING"]
    }
    return tensors, texts


def gguf_weights(path: Path) -> dict[str, Tensor]:
    """All tensors by name: diffusers' GGUFParameter for those in blocks, plain ones for others. Raises ModelUnreadable."""
    reader = _reader(path)
    return {one.name: _weight(path, reader, one) for one in reader.tensors}


def in_blocks(weights: Mapping[str, Tensor]) -> bool:
    """Whether any of the tensors is in blocks."""
    return any(_is_in_blocks(tensor) for tensor in weights.values())


def as_numbers(weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The same weights with those in blocks as plain numbers of a format."""
    return {name: _numbers(one).to(dtype) if _is_in_blocks(one) else one for name, one in weights.items()}


def settle_blocks(modules: Iterable[nn.Module], dtype: torch.dtype) -> None:
    """Parameters in blocks of layers that cannot compute with them (all but linear ones) become plain numbers, in place."""
    from diffusers.quantizers.gguf.utils import GGUFLinear

    for module in modules:
        if isinstance(module, GGUFLinear):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            if _is_in_blocks(parameter):
                setattr(module, name, nn.Parameter(_numbers(parameter).to(dtype), requires_grad=False))


def _reader(path: Path) -> gguf.GGUFReader:
    import gguf
    import numpy as np

    class Reader(gguf.GGUFReader):
        """Never reads past the end, where the package's own goes on with nothing for as long as a damaged header says."""

        def _get(self, offset: int, dtype: Foreign, count: int = 1, override_order: Foreign = None) -> Foreign:
            end = int(offset) + int(count) * np.dtype(dtype).itemsize
            if end > len(self.data):
                raise EOFError
            if not hasattr(self, "data_offset") and end > LARGEST_HEADER:
                raise ValueError(f"its header is larger than {LARGEST_HEADER:,} bytes")
            return super()._get(int(offset), dtype, int(count), override_order)

    try:
        # Copy-on-write: torch takes writable memory only, and nothing is ever written.
        return Reader(path, "c")
    except OSError as error:
        raise ModelUnreadable(path, f"The file cannot be read: {error.strerror or error}.") from error
    except EOFError as error:
        raise ModelUnreadable(path, "The file is cut short.", mend=_DOWNLOAD) from error
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise ModelUnreadable(path, f"This is not a GGUF file, or it is damaged: {error}.", mend=_DOWNLOAD) from error


def _shape(reader: gguf.GGUFReader, tensor: gguf.ReaderTensor) -> tuple[int, ...]:
    """As torch orders it."""
    stated = reader.get_field(_TRUE_SHAPE + tensor.name)
    if stated is not None:
        return tuple(int(stated.parts[index][0]) for index in stated.data)
    return tuple(int(edge) for edge in reversed(tensor.shape))


def _weight(path: Path, reader: gguf.GGUFReader, tensor: gguf.ReaderTensor) -> Tensor:
    from diffusers.quantizers.gguf import utils

    theirs: Foreign = utils
    kind, shape = tensor.tensor_type, _shape(reader, tensor)
    data = torch.from_numpy(tensor.data)
    if kind.name == "BF16":
        data = data.view(torch.bfloat16)
    elif data.dtype == torch.uint8:
        if kind not in theirs.SUPPORTED_GGUF_QUANT_TYPES:
            raise ModelUnreadable(
                path,
                f"Its format {kind.name} is not known.",
                field=tensor.name,
                mend="Choose a file of the model in Q8_0, Q6_K, Q5_K, Q4_K or Q4_0.",
            )
        blocks: Tensor = theirs.GGUFParameter(data, quant_type=kind)
        if shape == tuple(int(edge) for edge in reversed(tensor.shape)):
            return blocks
        data = _numbers(blocks)
    if math.prod(shape) != data.numel():
        raise ModelUnreadable(path, "The stated shape does not fit the data.", field=tensor.name, mend=_DOWNLOAD)
    return data.reshape(shape)


def _is_in_blocks(tensor: Tensor) -> bool:
    return hasattr(tensor, "quant_type")


def _numbers(blocks: Tensor) -> Tensor:
    from diffusers.quantizers.gguf import utils

    theirs: Foreign = utils
    numbers: Tensor = theirs.dequantize_gguf_tensor(blocks)
    return numbers
