"""Models from the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar
from weakref import WeakValueDictionary

import torch

from studio.diffusion.device import Compact, Dtypes, Format, choose_dtypes, computed
from studio.diffusion.model import Checkpoint, LoadedModel, LoadedTextEncoder, LoadedVAE
from studio.diffusion.offload import LayerByLayer
from studio.diffusion.weights.checkpoint import identify, load_checkpoint
from studio.graph.errors import ModelUnreadable
from studio.library import models
from studio.sdk import VAE, Choice, Model, ModelPicker, Resident, TextEncoder, Toggle, node, running

P = TypeVar("P")

Precision: TypeAlias = Literal["auto", "float32", "bfloat16", "float16", "float8", "int8"]
_FORMATS: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_STORAGE: Final = {"float8": torch.float8_e4m3fn, "int8": torch.int8}
VAE_PRECISIONS: Final = ("as the model", *_FORMATS)
TEXT_PRECISIONS: Final = (*VAE_PRECISIONS, *_STORAGE)


class LoadedCheckpoint(NamedTuple):
    model: Model
    text_encoder: TextEncoder
    vae: VAE


def _content(model: str) -> str:
    return models.content_hash(models.resolve(model, "checkpoint"))


def _contents(model: str, text_encoder: str, text_encoder_2: str, text_encoder_3: str, vae: str) -> str:
    files = _files(text_encoder, text_encoder_2, text_encoder_3, vae)
    return " ".join([_content(model), *(models.content_hash(file) for file in files)])


def _files(text_encoder: str, text_encoder_2: str, text_encoder_3: str, vae: str) -> list[Path]:
    """The files of the parts that are named."""
    encoders = [models.resolve(name, "text_encoder") for name in (text_encoder, text_encoder_2, text_encoder_3) if name]
    return [*encoders, models.resolve(vae, "vae")] if vae else encoders


@node(
    "model/LoadCheckpoint", fingerprint=_content, aliases=("open", "diffusers", "safetensors", "CheckpointLoaderSimple")
)
def load(
    model: str = ModelPicker("checkpoint", "picture"),
    precision: Precision = "auto",
    text_precision: str = Choice(*TEXT_PRECISIONS, advanced=True),
    vae_precision: str = Choice(*VAE_PRECISIONS, advanced=True),
    offload: bool = Toggle(False, advanced=True),
) -> LoadedCheckpoint:
    """Open a checkpoint of the library. Its parts are read when they are first needed, and are kept in memory while there is room.

    Args:
        model: The checkpoint: a folder in the layout of diffusers, or a single file.
        precision: Number format of the network's weights. Auto takes what suits the device; float32 is exact and takes twice the memory of
            the 16 bit formats. float8 and int8 take a quarter, and every step some more time: int8 changes pictures little, float8 more,
            but loses nothing of files that are in float8 already.
        text_precision: The same for what reads prompts, where int8 saves most: the text encoders of large models are large too.
        vae_precision: The same for the VAE. Some VAEs make black pictures in float16; float32 never does.
        offload: Keep the network in the computer's memory, and bring it to the GPU layer by layer while it computes: networks larger
            than the GPU run, every step some times slower. The pictures are the same. Whole parts move out of each other's way without
            it; on the CPU it changes nothing.

    Returns:
        model: The denoising network.
        text_encoder: What reads prompts.
        vae: What turns latents into pictures, and pictures into latents.
    """
    path = models.resolve(model, "checkpoint")
    return _opened(path, (), model, dtypes_of(precision, text_precision, vae_precision), offload)


@node(
    "model/LoadParts",
    title="Load model in parts",
    fingerprint=_contents,
    aliases=("gguf", "unet", "clip", "UNETLoader", "UnetLoaderGGUF", "CLIPLoader", "DualCLIPLoader", "VAELoader"),
)
def load_parts(
    model: str = ModelPicker("checkpoint"),
    text_encoder: str = ModelPicker("text_encoder"),
    text_encoder_2: str = ModelPicker("text_encoder"),
    text_encoder_3: str = ModelPicker("text_encoder", advanced=True),
    vae: str = ModelPicker("vae"),
    precision: Precision = "auto",
    text_precision: str = Choice(*TEXT_PRECISIONS, advanced=True),
    vae_precision: str = Choice(*VAE_PRECISIONS, advanced=True),
    offload: bool = Toggle(False, advanced=True),
) -> LoadedCheckpoint:
    """Put a model together from several files: the network, often as GGUF, and its text encoders and VAE.

    What is left empty comes from the network's own file, if that holds it. Text encoders (CLIP-L, CLIP-G, T5) may stand in any order. A T5
    needs its tokenizer: a folder `tokenizer_2` (Flux) or `tokenizer_3` (Stable Diffusion 3) beside the network's file.

    Args:
        model: The file of the network: .gguf, .safetensors or .ckpt.
        text_encoder: A file of a text encoder.
        text_encoder_2: Another, where the model has two.
        text_encoder_3: And another.
        vae: The file of the VAE.
        precision: Number format of the network's weights, as in Load checkpoint. The blocks of a GGUF stay as they are.
        text_precision: The same for what reads prompts, where int8 saves most.
        vae_precision: The same for the VAE. Some VAEs make black pictures in float16; float32 never does.
        offload: Keep the network in the computer's memory, as in Load checkpoint.

    Returns:
        model: The denoising network.
        text_encoder: What reads prompts.
        vae: What turns latents into pictures, and pictures into latents.
    """
    path = models.resolve(model, "checkpoint")
    files = _files(text_encoder, text_encoder_2, text_encoder_3, vae)
    return _opened(path, files, model, dtypes_of(precision, text_precision, vae_precision), offload)


def dtypes_of(network: str, text_encoder: str, vae: str) -> Dtypes:
    """The formats that the controls mean. What is kept in 8 bits computes in what suits the device, and the VAE is never kept so."""
    own = choose_dtypes(torch.device(running().device))
    whole = Dtypes.all(_FORMATS[network]) if network in _FORMATS else own

    def of(name: str, auto: Format) -> Format:
        return Compact(_STORAGE[name], computed(auto)) if name in _STORAGE else _FORMATS.get(name, auto)

    return Dtypes(of(network, whole.network), of(text_encoder, whole.text_encoder), of(vae, whole.vae))


def _opened(path: Path, others: Sequence[Path], title: str, dtypes: Dtypes, offload: bool) -> LoadedCheckpoint:
    family = identify(path).detected.family
    parts = _parts(path, others, title, dtypes, offload)
    return LoadedCheckpoint(Model(parts.model, family), TextEncoder(parts.text_encoder, family), VAE(parts.vae, family))


class CheckpointParts:
    """The residents of one checkpoint. Whichever is needed first reads the file, and offers the other parts to the others."""

    def __init__(self, path: Path, others: Sequence[Path], key: str, title: str, dtypes: Dtypes, offload: bool) -> None:
        self._path = path
        self._others = others
        self._dtypes = dtypes
        self.model: Resident[LoadedModel] = Resident(
            f"{key}/model",
            f"{title}: model",
            self._loader("model", lambda whole: whole.model),
            lambda held: held.modules,
            LayerByLayer() if offload else None,
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
            checkpoint = load_checkpoint(self._path, self._dtypes, parts=self._others)
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


def _parts(path: Path, others: Sequence[Path], title: str, dtypes: Dtypes, offload: bool) -> CheckpointParts:
    """One and the same for the same content in the same number formats, as long as somebody holds one of its residents."""
    content = "+".join(models.content_hash(file) for file in (path, *others))
    key = f"{content}/{dtypes.network}/{dtypes.text_encoder}/{dtypes.vae}{'/offload' if offload else ''}"
    with _opening:
        parts = _open.get(key)
        if parts is None:
            parts = _open[key] = CheckpointParts(path, others, key, title, dtypes, offload)
        return parts
