"""From a path to a checkpoint: which family it is, then that family's loader."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from studio.diffusion.device import Dtypes
from studio.diffusion.family import Detected, detect, families
from studio.diffusion.model import Checkpoint
from studio.diffusion.prediction import Prediction
from studio.diffusion.weights.folder import INDEX, ModelFolder
from studio.diffusion.weights.header import TensorInfo
from studio.diffusion.weights.single_file import SingleFile
from studio.graph.errors import ModelUnreadable

_NETWORKS = ("unet", "transformer", "prior")


@dataclass(frozen=True, slots=True)
class Identified:
    """What lies at a path, from its headers alone."""

    path: Path
    kind: str
    """"folder" or "file"."""
    detected: Detected
    dtype: str
    """Number format of most of the network's numbers, as safetensors or GGUF name it; "" where the file does not say."""


def identify(path: Path) -> Identified:
    """Family, variant and number format of a model folder or file; reads no weights of safetensors and GGUF files.

    Raises ModelUnreadable where the path is no model, damaged, or of a family that we do not know.
    """
    return _identify(_open(path, None, None))


def load_checkpoint(
    path: Path,
    dtypes: Dtypes,
    *,
    prediction: Prediction | None = None,
    config: Path | None = None,
    tokenizer: Path | None = None,
    parts: Sequence[Path] = (),
) -> Checkpoint:
    """A diffusers folder, or a single .safetensors, .gguf or .ckpt file, loaded on the CPU.

    `prediction` overrides what the network is taken to predict, which the tensors of a single file do not tell. `config` is a
    folder of component configs and `tokenizer` a tokenizer's folder, both for single files. `parts` are further files with a text
    encoder or VAE each, in place of the file's own. Raises ModelUnreadable.
    """
    source = _open(path, config, tokenizer)
    if parts:
        if isinstance(source, ModelFolder):
            raise ModelUnreadable(
                path, "Parts are put together from files, and this is a folder.", mend="Choose the network as a file."
            )
        source = source.joined([SingleFile.open(part) for part in parts])
    family = families()[_identify(source).detected.family]
    load = partial(family.load_folder, source) if isinstance(source, ModelFolder) else partial(family.load_file, source)
    checkpoint = load(dtypes)
    if prediction is None:
        return checkpoint
    return replace(checkpoint, model=replace(checkpoint.model, prediction=prediction))


def _open(path: Path, config: Path | None, tokenizer: Path | None) -> ModelFolder | SingleFile:
    if path.is_dir():
        return ModelFolder.open(path)
    if not path.exists():
        raise ModelUnreadable(path, "There is no such file or folder.")
    return ModelFolder.open(path.parent) if path.name == INDEX else SingleFile.open(path, config, tokenizer)


def _identify(source: ModelFolder | SingleFile) -> Identified:
    if isinstance(source, ModelFolder):
        network = next((name for name in _NETWORKS if source.has(name)), None)
        if network is None:
            raise ModelUnreadable(source.path / INDEX, f"The model has none of {', '.join(_NETWORKS)}.", field="model")
        tensors = source.tensors(network)
    else:
        tensors = dict(source.tensors)
    detected = detect(tensors)
    if detected is None:
        raise _unknown(source.path, tensors)
    kind = "folder" if isinstance(source, ModelFolder) else "file"
    sizes: Counter[str] = Counter()
    for info in tensors.values():
        sizes[info.dtype] += math.prod(info.shape)
    return Identified(source.path, kind, detected, sizes.most_common(1)[0][0] if sizes else "")


_OTHERS = (
    ("a LoRA", (".lora_up.", ".lora_down.", ".lora_A.", ".lora_B.", ".hada_w1_a", ".lokr_w1"), "Use a node that loads LoRAs."),
    ("a ControlNet", ("control_model.", "controlnet_cond_embedding.", "controlnet_blocks."), "Use a node that loads ControlNets."),
    ("a textual inversion", ("emb_params", "string_to_param"), "It belongs among the embeddings."),
    ("a VAE", ("decoder.mid.", "decoder.mid_block.", "decoder.up_blocks."), "Load a model in parts takes it, beside a network."),
    ("a text encoder", ("text_model.", "encoder.block.0.", "model.layers.0.self_attn."),
     "Load a model in parts takes it, beside a network."),
)  # fmt: skip
"""What else people have: the parts of names that tell it, and what to do with it."""


def _unknown(path: Path, tensors: Mapping[str, TensorInfo]) -> ModelUnreadable:
    """The error for what is no denoising network of a known family, which says what it is instead."""
    for title, marks, mend in _OTHERS:
        if any(mark in name for name in tensors for mark in marks):
            return ModelUnreadable(path, f"This is {title}, not a checkpoint.", mend=mend)
    known = ", ".join(family.title for family in families().values())
    return ModelUnreadable(
        path, "This is not a denoising network of a family that is known here.", mend=f"Known families: {known}."
    )
