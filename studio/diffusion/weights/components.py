"""Components out of folders and files: networks, VAEs and text encoders, with the number format always stated.

Weights stay memory-mapped where the format on disk is the one asked for; nothing is held twice.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from studio.diffusion.device import Compact, Format, computed, is_out_of_memory
from studio.diffusion.foreign import Foreign
from studio.diffusion.weights.compact import compact
from studio.diffusion.weights.folder import ModelFolder
from studio.diffusion.weights.gguf_file import as_numbers, in_blocks, settle_blocks
from studio.diffusion.weights.header import TensorInfo, read_header
from studio.diffusion.weights.single_file import SingleFile
from studio.diffusion.weights.unpickle import load_pickle
from studio.graph.errors import ModelUnreadable

COPY_AGAIN = "Copy or download the model again, whole."


def load_network(folder: ModelFolder, component: str, kind: type[Foreign], format: Format) -> nn.Module:
    """A diffusers model from a component folder, in eval mode. Raises ModelUnreadable where weights or config are missing or damaged."""
    return _load(folder, component, kind, format, lambda path: kind.from_config(kind.load_config(path)))


def load_clip(folder: ModelFolder, component: str, kind: type[Foreign], format: Format) -> nn.Module:
    """A transformers text encoder from a component folder. Raises ModelUnreadable."""
    config = kind.config_class
    return _load(
        folder, component, kind, format, lambda path: kind(config.from_pretrained(path, local_files_only=True))
    )


def load_without_weights(folder: ModelFolder, component: str, kind: type[Foreign]) -> Foreign:
    """A scheduler, tokenizer or processor from a component folder; runs no code of the folder's own. Raises ModelUnreadable."""
    path = folder.component(component)
    with _explained(path, component), _quiet():
        return kind.from_pretrained(str(path), local_files_only=True)


def _load(
    folder: ModelFolder, component: str, kind: type[Foreign], format: Format, build: Callable[[str], nn.Module]
) -> nn.Module:
    """Through the library's own loader; from pickles, which that would refuse or run, into what `build` makes of the folder's config."""
    path = folder.component(component)
    folder.config(component)
    files = folder.weights(component)
    if files[0].suffix == ".bin":
        return _fill(files, lambda: build(str(path)), format, component)
    stored = [info for file in files for info in read_header(file).tensors.values()]
    with _explained(path, component), _quiet():
        model, report = kind.from_pretrained(
            str(path),
            dtype=_read_as(format, stored),
            variant=folder.variant(component),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    _check_complete(path, component, report["missing_keys"], report["mismatched_keys"])
    return _ready(model, format, path, component)


def network_from_file(
    file: SingleFile,
    weights: dict[str, torch.Tensor],
    configs: Path,
    component: str,
    kind: type[Foreign],
    format: Format,
) -> nn.Module:
    """A diffusers model out of the tensors of a single file; `configs` holds the component's config folder.

    Linear layers that the file keeps in blocks of few bits stay so. Raises ModelUnreadable.
    """

    def build(where: dict[str, Foreign]) -> Foreign:
        if not in_blocks(weights):
            stored = [TensorInfo(_FORMATS.get(one.dtype, ""), tuple(one.shape)) for one in weights.values()]
            return kind.from_single_file(dict(weights), dtype=_read_as(format, stored), **where)
        import diffusers

        quantized: Foreign = diffusers.GGUFQuantizationConfig
        dtype = computed(format)
        blocks = quantized(compute_dtype=dtype)
        model = kind.from_single_file(dict(weights), dtype=dtype, quantization_config=blocks, **where)
        settle_blocks(model.modules(), dtype)
        return model

    return _from_file(file, component, build, configs, format)


def vae_from_file(file: SingleFile, weights: dict[str, torch.Tensor], configs: Path, format: Format) -> nn.Module:
    """The AutoencoderKL among the tensors of a single file, under its authors' names or those of diffusers. Raises ModelUnreadable."""
    import diffusers

    own = {
        name.removeprefix(prefix): tensor
        for prefix in ("first_stage_model.", "vae.")
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }
    return network_from_file(file, own, configs, "vae", diffusers.AutoencoderKL, format)


def clip_from_file(
    file: SingleFile,
    weights: dict[str, torch.Tensor],
    configs: Path,
    component: str,
    kind: type[Foreign],
    format: Format,
) -> nn.Module:
    """A CLIP text encoder out of the tensors of a single file. Raises ModelUnreadable."""
    from diffusers.loaders import single_file_utils

    convert: Foreign = single_file_utils.create_diffusers_clip_model_from_ldm
    dtype = computed(format)

    def build(where: dict[str, Foreign]) -> Foreign:
        return convert(kind, _of_text(weights, dtype), torch_dtype=dtype, **where)

    return _from_file(file, component, build, configs, format)


def t5_from_file(
    file: SingleFile,
    weights: dict[str, torch.Tensor],
    configs: Path,
    component: str,
    format: Format,
) -> nn.Module:
    """The T5 text encoder out of the tensors of a single file of Stable Diffusion 3. Raises ModelUnreadable."""
    from diffusers.loaders import single_file_utils
    from transformers import T5EncoderModel

    convert: Foreign = single_file_utils.create_diffusers_t5_model_from_checkpoint
    dtype = computed(format)

    def build(where: dict[str, Foreign]) -> Foreign:
        model = convert(T5EncoderModel, _of_text(weights, dtype), torch_dtype=dtype, **where)
        model.tie_weights()
        return model

    return _from_file(file, component, build, configs, format)


_TEXT = ("cond_stage_model.", "conditioner.", "text_encoders.")


def _of_text(weights: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The tensors of text encoders, whose code of transformers cannot compute with blocks."""
    return as_numbers({name: one for name, one in weights.items() if name.startswith(_TEXT)}, dtype)


def _from_file(
    file: SingleFile,
    component: str,
    convert: Callable[[dict[str, Foreign]], Foreign],
    configs: Path,
    format: Format,
) -> nn.Module:
    """What a converter of diffusers makes of a single file; it is told where the component's config lies."""
    with _explained(file.path, component), _quiet():
        model = convert({"config": str(configs), "subfolder": component, "local_files_only": True})
    _check_complete(file.path, component, _unfilled(model), [])
    return _ready(model, format, file.path, component)


_FORMATS = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
"""Formats that networks are read in, by the name that safetensors has for them."""


def _read_as(format: Format, stored: Iterable[TensorInfo]) -> torch.dtype:
    """The format to read in: the one asked for; for 8 bits the file's own, in which weights are not copied before they are made small."""
    if not isinstance(format, Compact):
        return format
    sizes: Counter[str] = Counter()
    for info in stored:
        sizes[info.dtype] += math.prod(info.shape)
    most = sizes.most_common(1)[0][0] if sizes else ""
    return next((dtype for dtype, name in _FORMATS.items() if name == most), format.compute)


def _fill(files: list[Path], build: Callable[[], nn.Module], format: Format, component: str) -> nn.Module:
    """A model built empty and filled from pickles."""
    from accelerate import init_empty_weights

    with _explained(files[0], component), _quiet():
        with init_empty_weights(include_buffers=False):
            model = build()
        names = set(model.state_dict())
        wrapped = any(name.startswith("text_model.") for name in names)
        for file in files:
            weights = {
                name if wrapped else name.removeprefix("text_model."): tensor.to(computed(format))
                if tensor.is_floating_point()
                else tensor
                for name, tensor in load_pickle(file).items()
            }
            model.load_state_dict({name: weights[name] for name in names & weights.keys()}, strict=False, assign=True)
    _check_complete(files[0].parent, component, _unfilled(model), [])
    return _ready(model, format, files[0], component)


def _ready(model: Foreign, format: Format, path: Path, component: str) -> nn.Module:
    """In eval mode, and never trained; in 8 bits where these are asked for."""
    network: nn.Module = model
    network.eval().requires_grad_(False)
    if isinstance(format, Compact):
        with _explained(path, component):
            compact(network, format)
    return network


def _unfilled(model: nn.Module) -> list[str]:
    """Parameters that no weight was found for."""
    return [name for name, parameter in model.named_parameters() if parameter.is_meta]


def _check_complete(path: Path, component: str, missing: Iterable[str], mismatched: Sequence[object]) -> None:
    """A network with random parts makes pictures of noise without a word: refuse it."""
    missing = sorted(missing)
    if missing:
        raise ModelUnreadable(
            path,
            f"{len(missing)} tensors of the {component} are missing, the first is '{missing[0]}'.",
            field=component,
            mend=COPY_AGAIN,
        )
    if mismatched:
        raise ModelUnreadable(
            path,
            f"{len(mismatched)} tensors of the {component} have another shape than its config says: {mismatched[0]}.",
            field=component,
            mend="Copy config.json and weights from the same model.",
        )


@contextmanager
def _explained(path: Path, component: str) -> Iterator[None]:
    """What diffusers, transformers and safetensors raise, as one error that names file and component."""
    from diffusers.loaders.single_file_utils import SingleFileComponentError
    from safetensors import SafetensorError

    try:
        yield
    except (
        SafetensorError,
        SingleFileComponentError,
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        TypeError,
        AttributeError,
        ImportError,
    ) as error:
        if is_out_of_memory(error):
            raise
        raise ModelUnreadable(
            path, f"The {component} cannot be loaded: {error}", field=component, mend=COPY_AGAIN
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no log lines of the libraries; what matters in them is checked and raised."""
    import transformers.utils.logging
    from diffusers.utils import logging

    theirs: Foreign = transformers.utils.logging
    ours: Foreign = logging

    levels = ours.get_verbosity(), theirs.get_verbosity()
    ours.set_verbosity_error()
    theirs.set_verbosity_error()
    ours.disable_progress_bar()
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        ours.set_verbosity(levels[0])
        theirs.set_verbosity(levels[1])
        ours.enable_progress_bar()
        theirs.enable_progress_bar()
