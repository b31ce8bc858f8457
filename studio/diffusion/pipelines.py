"""Whole pipelines of diffusers, for models that are no family of ours: DeepFloyd IF, Kandinsky, Stable Cascade and whatever else there is.

A folder is put together here, part by part, from classes that live in diffusers and transformers and nowhere else, so that no code of
the folder's is ever run, and nothing is looked for on the network. `pipeline_run` calls what was put together.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import nn

from studio.diffusion.device import Dtypes
from studio.diffusion.foreign import Foreign
from studio.diffusion.weights.components import load_clip, load_network, load_without_weights
from studio.diffusion.weights.folder import INDEX, ModelFolder
from studio.graph.errors import ModelUnreadable

LIBRARIES: Final = ("diffusers", "transformers")
_NAME: Final = re.compile(r"[A-Za-z]\w*")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedPipeline:
    """A pipeline with all of its parts."""

    pipeline: Foreign

    @property
    def kind(self) -> str:
        """Name of its class."""
        return type(self.pipeline).__name__

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """What has to be on the device to run it."""
        return tuple(part for part in self.parts.values() if isinstance(part, nn.Module))

    @property
    def parts(self) -> Mapping[str, Foreign]:
        """Networks, schedulers, tokenizers and processors by name; those that the folder left out are not among them."""
        named = {name: getattr(self.pipeline, name, None) for name in self.pipeline.config}
        return {name: part for name, part in named.items() if hasattr(part, "config") or isinstance(part, nn.Module)}

    @property
    def arguments(self) -> Mapping[str, inspect.Parameter]:
        """What it can be called with, by name."""
        return {
            name: one
            for name, one in inspect.signature(type(self.pipeline).__call__).parameters.items()
            if name != "self" and one.kind is not one.VAR_KEYWORD
        }


def pipeline_class(folder: ModelFolder) -> type[Foreign]:
    """The class that the folder was saved from. Raises ModelUnreadable where it is not one of diffusers' pipelines."""
    import diffusers

    named = folder.index.get("_class_name")
    found = getattr(diffusers, named, None) if isinstance(named, str) and _NAME.fullmatch(named) else None
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        raise ModelUnreadable(
            folder.path / INDEX,
            f"'{named}' is no pipeline of the installed diffusers {diffusers.__version__}.",
            field="_class_name",
            mend="Pipelines that bring code of their own are not run. For one of a later diffusers, update Wirelight.",
        )
    return found


def load_pipeline(path: Path, dtypes: Dtypes) -> LoadedPipeline:
    """A pipeline from its folder, loaded on the CPU. Raises ModelUnreadable with the part that is missing, damaged or not allowed."""
    folder = ModelFolder.open(path)
    kind = pipeline_class(folder)
    parameters = inspect.signature(kind.__init__).parameters
    given: dict[str, Foreign] = {}
    for name, entry in folder.index.items():
        if name not in parameters or name.startswith("_"):
            continue
        given[name] = _part(folder, name, entry, dtypes) if isinstance(entry, list) and len(entry) == 2 else entry
    for name, one in parameters.items():
        if name != "self" and name not in given and one.kind is one.POSITIONAL_OR_KEYWORD:
            if one.default is one.empty and name not in kind._optional_components:
                raise ModelUnreadable(
                    path / INDEX, f"The pipeline {kind.__name__} needs a {name}, and the folder has none.", field=name
                )
            given[name] = None if one.default is one.empty else one.default
    _check_tokenizers(path, given)
    pipeline = kind(**given)
    pipeline.set_progress_bar_config(disable=True)
    return LoadedPipeline(pipeline)


def _part(folder: ModelFolder, name: str, entry: list[Foreign], dtypes: Dtypes) -> Foreign:
    library, class_name = entry
    if class_name is None:
        return None
    import transformers
    from diffusers.models.modeling_utils import ModelMixin

    kind = _class(folder, name, library, class_name)
    if issubclass(kind, ModelMixin):
        is_vae = name.startswith(("vae", "vqvae", "movq", "vqgan"))
        return load_network(folder, name, kind, dtypes.vae if is_vae else dtypes.network)
    if issubclass(kind, transformers.PreTrainedModel):
        return load_clip(folder, name, kind, dtypes.text_encoder)
    return load_without_weights(folder, name, kind)


def _class(folder: ModelFolder, name: str, library: Foreign, class_name: Foreign) -> type[Foreign]:
    """The class of a part: of diffusers, of transformers, or of one of diffusers' own pipeline folders. Raises ModelUnreadable."""
    import diffusers
    import transformers

    found = None
    if (
        isinstance(library, str)
        and isinstance(class_name, str)
        and _NAME.fullmatch(library)
        and _NAME.fullmatch(class_name)
    ):
        homes = {"diffusers": diffusers, "transformers": transformers}
        home = homes.get(library) or getattr(diffusers.pipelines, library, None)
        found = getattr(home, class_name, None)
    known = (
        isinstance(found, type)
        and found.__module__.partition(".")[0] in LIBRARIES
        and not class_name.startswith("Onnx")
        and hasattr(found, "from_pretrained")
    )
    if not known:
        raise ModelUnreadable(
            folder.path / INDEX,
            f"The {name} is a '{class_name}' of '{library}', which is not a class of diffusers or transformers here.",
            field=name,
            mend="Parts that bring code of their own are not run.",
        )
    assert isinstance(found, type)
    return found


def _check_tokenizers(path: Path, parts: Mapping[str, Foreign]) -> None:
    """A tokenizer folder without a vocabulary loads without a word as one of a few tokens: refuse it."""
    for name, tokenizer in parts.items():
        encoder = parts.get(name.replace("tokenizer", "text_encoder"))
        if not name.startswith("tokenizer") or tokenizer is None or not isinstance(encoder, nn.Module):
            continue
        rows = getattr(getattr(encoder, "config", None), "vocab_size", None)
        if isinstance(rows, int) and hasattr(tokenizer, "__len__") and len(tokenizer) < rows / 2:
            raise ModelUnreadable(
                path,
                f"The {name} knows {len(tokenizer)} tokens, its text encoder {rows}.",
                field=name,
                mend="Copy the tokenizer's folder of the same model again, whole.",
            )


def dtype_of_pipeline(loaded: LoadedPipeline) -> torch.dtype:
    """Number format of its denoising network."""
    networks = [loaded.parts[name] for name in ("transformer", "unet", "prior", "decoder") if name in loaded.parts]
    numbers: Iterator[torch.Tensor] = (one for module in (*networks, *loaded.modules) for one in module.parameters())
    return next(one.dtype for one in numbers if one.is_floating_point())
