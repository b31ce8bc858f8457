"""Models from the library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final, Literal, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import torch

from studio.diffusion.device import Dtypes, choose_dtypes
from studio.diffusion.model import Checkpoint, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.graph.errors import ModelUnreadable
from studio.library import models
from studio.sdk import VAE, Model, ModelPicker, Resident, TextEncoder, node, running

P = TypeVar("P")

_FORMATS: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class LoadedCheckpoint(NamedTuple):
    model: Model
    text_encoder: TextEncoder
    vae: VAE


def _content(model: str) -> str:
    return models.content_hash(models.resolve(model, "checkpoint"))


@node(
    "model/LoadCheckpoint", fingerprint=_content, aliases=("open", "diffusers", "safetensors", "CheckpointLoaderSimple")
)
def load(
    model: str = ModelPicker("checkpoint", "picture"),
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
) -> LoadedCheckpoint:
    """Open a checkpoint of the library. Its parts are read when they are first needed, and are kept in memory while there is room.

    Args:
        model: The checkpoint: a folder in the layout of diffusers, or a single file.
        precision: Number format of the weights. Auto takes what suits the device; float32 is exact and takes twice the memory.

    Returns:
        model: The denoising network.
        text_encoder: What reads prompts.
        vae: What turns latents into pictures, and pictures into latents.
    """
    path = models.resolve(model, "checkpoint")
    identified = identify(path)
    dtypes = choose_dtypes(torch.device(running().device)) if precision == "auto" else Dtypes.all(_FORMATS[precision])
    parts = _parts(path, models.content_hash(path), model, dtypes)
    family = identified.detected.family
    return LoadedCheckpoint(Model(parts.model, family), TextEncoder(parts.text_encoder, family), VAE(parts.vae, family))


class CheckpointParts:
    """The residents of one checkpoint. Whichever is needed first reads the file, and offers the other parts to the others."""

    def __init__(self, path: Path, key: str, title: str, dtypes: Dtypes) -> None:
        self._path = path
        self._dtypes = dtypes
        self.model: Resident[LoadedModel] = Resident(
            f"{key}/model",
            f"{title}: model",
            self._loader("model", lambda whole: whole.model),
            lambda held: held.modules,
        )
        self.text_encoder: Resident[LoadedTextEncoder] = Resident(
            f"{key}/text_encoder",
            f"{title}: text encoder",
            self._loader("text encoder", lambda whole: whole.text_encoder),
            lambda held: held.modules,
        )
        self.vae: Resident[LoadedVAE] = Resident(
            f"{key}/vae", f"{title}: VAE", self._loader("VAE", lambda whole: whole.vae), lambda held: held.modules
        )

    def _loader(self, name: str, part: Callable[[Checkpoint], P | None]) -> Callable[[], P]:
        def load_part() -> P:
            checkpoint = load_checkpoint(self._path, self._dtypes)
            self._offer(checkpoint)
            wanted = part(checkpoint)
            if wanted is None:
                raise ModelUnreadable(
                    self._path, f"The checkpoint has no {name}.", mend=f"Use the {name} of another checkpoint."
                )
            return wanted

        return load_part

    def _offer(self, checkpoint: Checkpoint) -> None:
        self.model.adopt(checkpoint.model)
        if checkpoint.text_encoder is not None:
            self.text_encoder.adopt(checkpoint.text_encoder)
        if checkpoint.vae is not None and not self.vae.adopt(checkpoint.vae):
            # Previews are fitted to this VAE, which nobody holds from here on.
            checkpoint.model.projection()


_open: WeakValueDictionary[str, CheckpointParts] = WeakValueDictionary()
_opening = Lock()


def _parts(path: Path, content: str, title: str, dtypes: Dtypes) -> CheckpointParts:
    """One and the same for the same content in the same number formats, as long as somebody holds one of its residents."""
    key = f"{content}/{dtypes.network}/{dtypes.text_encoder}/{dtypes.vae}"
    with _opening:
        parts = _open.get(key)
        if parts is None:
            parts = _open[key] = CheckpointParts(path, key, title, dtypes)
        return parts
