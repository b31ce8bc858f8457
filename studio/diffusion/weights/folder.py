"""A model folder as diffusers lays it out: model_index.json, and a folder for every component."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.diffusion.weights.header import TensorInfo, read_header
from studio.diffusion.weights.unpickle import load_pickle
from studio.graph.errors import ModelUnreadable

INDEX = "model_index.json"


def read_json(path: Path, field: str = "") -> dict[str, Any]:
    """A JSON object from a file. Raises ModelUnreadable."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelUnreadable(
            path,
            f"The file cannot be read: {error.strerror or error}.",
            field=field,
            mend="Copy the model folder again, whole.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(
            path, "The file is not valid JSON.", field=field, mend="Copy the model folder again."
        ) from error
    if not isinstance(content, dict):
        raise ModelUnreadable(path, "The file does not hold a JSON object.", field=field)
    return content


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A diffusers folder. Reads configs and headers; of weights only pickles, which have no header."""

    path: Path
    index: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> ModelFolder:
        """Raises ModelUnreadable where there is no readable model_index.json."""
        if not (path / INDEX).is_file():
            raise ModelUnreadable(
                path,
                f"There is no {INDEX}.",
                mend="Choose the folder that holds it, or a single .safetensors or .ckpt file.",
            )
        return cls(path, read_json(path / INDEX))

    @property
    def pipeline(self) -> str:
        """Name of the diffusers pipeline class that the folder was saved from."""
        return str(self.index.get("_class_name", ""))

    def has(self, component: str) -> bool:
        """True where the index names the component (a component that is left out is named with nulls)."""
        entry = self.index.get(component)
        return isinstance(entry, list) and len(entry) == 2 and entry[1] is not None

    def component(self, name: str) -> Path:
        """Folder of a component. Raises ModelUnreadable where it is missing."""
        if not self.has(name):
            raise ModelUnreadable(self.path / INDEX, f"The model has no {name}.", field=name)
        if not (self.path / name).is_dir():
            raise ModelUnreadable(
                self.path, f"The folder '{name}' is missing.", field=name, mend="Copy the model folder again, whole."
            )
        return self.path / name

    def config(self, component: str, file: str = "config.json") -> dict[str, Any]:
        """A component's config. Raises ModelUnreadable."""
        return read_json(self.component(component) / file, component)

    def weights(self, component: str) -> list[Path]:
        """The files of a component's weights: one, or the shards; safetensors before pickles, the plain variant before others.

        Raises ModelUnreadable where there are none or a shard is missing.
        """
        return weight_files(self.component(component), component)

    def tensors(self, component: str) -> dict[str, TensorInfo]:
        """Names, shapes and formats of a component's tensors, every file's header checked. Raises ModelUnreadable."""
        found: dict[str, TensorInfo] = {}
        for path in self.weights(component):
            if path.suffix == ".safetensors":
                found.update(read_header(path).tensors)
            else:
                found.update({name: TensorInfo("", tuple(tensor.shape)) for name, tensor in load_pickle(path).items()})
        return found

    def variant(self, component: str) -> str | None:
        """The variant of the weights that are there ("fp16" for *.fp16.safetensors); None for the plain ones."""
        file = self.weights(component)[0]
        parts = re.sub(r"-\d+-of-\d+", "", file.name.removesuffix(file.suffix)).split(".")
        return parts[1] if len(parts) > 1 else None


def weight_files(folder: Path, component: str) -> list[Path]:
    """See `ModelFolder.weights`."""
    stems = ("diffusion_pytorch_model", "model", "pytorch_model")
    for suffix in (".safetensors", ".bin"):
        for stem in stems:
            whole = sorted(folder.glob(f"{stem}*{suffix}"), key=lambda path: (path.name.count("."), path.name))
            if plain := [path for path in whole if "-of-" not in path.name]:
                return plain[:1]
            if whole:
                return _shards(folder, stem, suffix, component)
    raise ModelUnreadable(
        folder,
        "There are no weights (*.safetensors or *.bin).",
        field=component,
        mend="Copy the model folder again, whole.",
    )


def _shards(folder: Path, stem: str, suffix: str, component: str) -> list[Path]:
    """The files that the shard index names, all of them there."""
    indices = sorted(folder.glob(f"{stem}{suffix}.index*.json"))
    if not indices:
        raise ModelUnreadable(folder, "The weights are in parts, but their index is missing.", field=component)
    names = read_json(indices[0], component).get("weight_map", {})
    parts = sorted({folder / str(name) for name in names.values()}) if isinstance(names, dict) else []
    for part in parts:
        if not part.is_file():
            raise ModelUnreadable(
                part, "A part of the weights is missing.", field=component, mend="Copy the model folder again, whole."
            )
    if not parts:
        raise ModelUnreadable(indices[0], "The index names no files.", field=component)
    return parts
