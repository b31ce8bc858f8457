"""From a path to a checkpoint: which family it is, then that family's loader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from studio.diffusion.device import Dtypes
from studio.diffusion.family import Detected, detect, families
from studio.diffusion.model import Checkpoint
from studio.diffusion.prediction import Prediction
from studio.diffusion.weights.folder import INDEX, ModelFolder
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
    """Number format of most of the network's tensors, as safetensors names it; "" where the file does not say."""


def identify(path: Path) -> Identified:
    """Family, variant and number format of a model folder or file; reads no weights of a safetensors file.

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
) -> Checkpoint:
    """A diffusers folder, or a single .safetensors or .ckpt file, loaded on the CPU.

    `prediction` overrides what the network is taken to predict, which the tensors of a single file do not tell. `config` is a
    folder of component configs and `tokenizer` a tokenizer's folder, both for single files. Raises ModelUnreadable.
    """
    source = _open(path, config, tokenizer)
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
        raise ModelUnreadable(
            source.path,
            "This is not a denoising network of a family that is known here.",
            mend=f"Known families: {', '.join(family.title for family in families().values())}.",
        )
    formats = [info.dtype for info in tensors.values()]
    kind = "folder" if isinstance(source, ModelFolder) else "file"
    return Identified(source.path, kind, detected, max(set(formats), key=formats.count) if formats else "")
