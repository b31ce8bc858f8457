"""Pickled checkpoints, without running what strangers wrote into them.

A pickle is a program. Ours may only rebuild tensors and plain containers; every other thing it names becomes an inert placeholder,
so that the callback objects of old training checkpoints do not matter, and a hostile payload is never called.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor

from studio.diffusion.device import is_out_of_memory
from studio.diffusion.foreign import Foreign
from studio.graph.errors import ModelUnreadable

_ALLOWED = {
    "collections": {"OrderedDict"},
    "torch": {
        "BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "DoubleStorage", "FloatStorage", "HalfStorage",
        "IntStorage", "LongStorage", "ShortStorage", "Size", "bfloat16", "bool", "float16", "float32", "float64",
        "int16", "int32", "int64", "int8", "uint8",
    },
    "torch._utils": {"_rebuild_parameter", "_rebuild_tensor_v2"},
    "torch.storage": {"UntypedStorage"},
}  # fmt: skip


class _Placeholder:
    """Stands for anything that is not a tensor. Takes every argument and state, and does nothing."""

    def __init__(self, *args: object, **keywords: object) -> None:
        pass

    def __call__(self, *args: object, **keywords: object) -> _Placeholder:
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        """Pickles fill lists through this."""

    def extend(self, values: object) -> None:
        """And through this."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Foreign:
        return super().find_class(module, name) if name in _ALLOWED.get(module, ()) else _Placeholder


def _load(file: Foreign, **keywords: Foreign) -> Foreign:
    return _Unpickler(file, **keywords).load()


def load_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, memory-mapped where the file allows it. Runs no code of the file.

    A table under "state_dict" (or "params_ema" or "params", of upscalers) is the checkpoint, where there is one. Raises ModelUnreadable.
    """
    reader = SimpleNamespace(Unpickler=_Unpickler, load=_load, __name__="studio.diffusion.weights.unpickle")
    try:
        # torch's own weights_only refuses old training checkpoints for their callbacks; this reader passes over them.
        content = torch.load(
            path, map_location="cpu", weights_only=False, pickle_module=reader, mmap=zipfile.is_zipfile(path)
        )
    except OSError as error:
        raise ModelUnreadable(path, f"The file cannot be read: {error.strerror or error}.") from error
    except (
        pickle.UnpicklingError,
        EOFError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        ImportError,
    ) as error:
        if is_out_of_memory(error):
            raise
        raise ModelUnreadable(
            path,
            "The pickle is damaged, or holds something else than a checkpoint.",
            mend="Download the file again, as .safetensors if there is one.",
        ) from error
    if isinstance(content, Mapping):
        tables = (content.get(name) for name in ("state_dict", "params_ema", "params"))
        content = next((table for table in tables if isinstance(table, Mapping)), content)
    tensors = (
        {key: value for key, value in content.items() if isinstance(value, Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise ModelUnreadable(path, "There are no tensors in this file.", mend="Choose a checkpoint.")
    return {str(name): tensor.detach() for name, tensor in tensors.items()}
