"""Models on disk: the starters that ship with the program, and what lies in the artist's model folders."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from studio.files.json_text import natural
from studio.graph.errors import ModelMissing
from studio.library.database import library
from studio.library.hashes import Hashes
from studio.library.model_kind import FOLDERS, INDEX, WEIGHTS, kind_of_component, kind_of_file, kind_of_folder
from studio.library.places import places
from studio.resources import resource

_DEEPEST: Final = 8
"""Folders below a model folder that are looked into."""
_SETTLED: Final = 2.0
"""Seconds after which a folder's time of change tells for sure that nothing was added since."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model of the library: a single file, or a folder in the layout of diffusers. `size` in bytes, of all its files.

    `name` is unique within its kind: the path inside its folder of that kind, with `/` and the file's suffix (`sdxl/base.safetensors`); the
    folder's own for a starter (`picture`). Where an earlier model has that name already, it is the path inside the model folder with that
    folder before it (`models:checkpoints/sdxl/base.safetensors`).
    """

    name: str
    path: Path
    kind: str
    size: int
    starter: bool = False


def find_models(kind: str = "") -> list[ModelEntry]:
    """All models of a kind (`checkpoint`, `vae`, `text_encoder`, `lora`, `controlnet`, `upscaler` ...), or of every kind.

    Starters come first, then those of each model folder, in natural order. Folders that are not there are passed over.
    """
    found: dict[tuple[str, str], ModelEntry] = {}
    starters = resource("starters")
    for root in (starters, *places().models):
        entries = _starters(root) if root == starters else _in_folder(root)
        for entry in entries:
            if kind in ("", entry.kind):
                name = _unique(entry, root, found)
                found[entry.kind, name] = ModelEntry(name, entry.path, entry.kind, entry.size, entry.starter)
    return list(found.values())


def resolve(name: str, kind: str) -> Path:
    """The file or folder of the model of that name and kind.

    The name may leave out the file's suffix and leading folders, and its letters' case and slashes don't matter, where only one model
    fits. Only models that `find_models` lists are ever found, so that no name leads out of the model folders. Raises `ModelMissing`.
    """
    entries = find_models(kind)
    for entry in entries:
        if entry.name == name:
            return entry.path
    for fits in (_same, _ends_alike):
        fitting = {os.path.realpath(entry.path): entry for entry in entries if fits(entry.name, name)}
        if len(fitting) == 1:
            return next(iter(fitting.values())).path
        if fitting:
            several = ", ".join(entry.name for entry in fitting.values())
            raise ModelMissing(name, f"More than one {kind} has this name.", mend=f"Choose one of: {several}.")
    raise ModelMissing(name, f"There is no {kind} of this name in the library.", mend=_mend(name, kind, entries))


def content_hash(path: Path) -> str:
    """SHA-256 of a model file, or of a model folder's names and contents; computed once for a file that stays as it is."""
    return Hashes(library()).of(path)


def _same(entry: str, name: str) -> bool:
    return _plain(name) in (_plain(entry), _stem(entry))


def _ends_alike(entry: str, name: str) -> bool:
    ends = (f"/{_plain(name)}", f":{_plain(name)}")
    return bool(name) and (_plain(entry).endswith(ends) or _stem(entry).endswith(ends))


def _plain(name: str) -> str:
    return name.replace("\\", "/").casefold()


def _stem(name: str) -> str:
    """Without the suffix of a weights file. Only the library's own names lose theirs: `base.ckpt` is not `base.safetensors`."""
    plain = _plain(name)
    suffix = Path(plain).suffix
    return plain.removesuffix(suffix) if suffix in WEIGHTS else plain


def _mend(name: str, kind: str, entries: Sequence[ModelEntry]) -> str:
    from difflib import get_close_matches

    by_stem = {_stem(entry.name).rpartition("/")[2]: entry.name for entry in entries}
    near = [by_stem[one] for one in get_close_matches(_stem(name).rpartition("/")[2], by_stem, 3, 0.6)]
    others = [entry for entry in find_models() if entry.kind != kind and _same(entry.name, name)]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if others:
        return f"There is a {others[0].kind} of this name: choose a {kind}."
    own = places().models[0]
    return f"Put it into {own / FOLDERS[kind][0] if kind in FOLDERS else own}, or choose another."


def _unique(entry: ModelEntry, root: Path, found: Mapping[tuple[str, str], ModelEntry]) -> str:
    if (entry.kind, entry.name) not in found:
        return entry.name
    within = f"{root.name}:{entry.path.relative_to(root).as_posix()}"
    return within if (entry.kind, within) not in found else str(entry.path)


def _starters(root: Path) -> list[ModelEntry]:
    """One model a folder, by the folder's name."""
    if not root.is_dir():
        return []
    made = []
    for folder in sorted(root.iterdir(), key=lambda path: natural(path.name)):
        weights = list(folder.glob("*.safetensors")) if folder.is_dir() else []
        if (folder / INDEX).is_file():
            made.append(ModelEntry(folder.name, folder, "checkpoint", _size(folder), True))
        elif (kind := kind_of_component(folder)) is not None:
            made.append(ModelEntry(folder.name, folder, kind, _size(folder), True))
        elif len(weights) == 1 and (kind := kind_of_file(weights[0])) is not None:
            made.append(ModelEntry(folder.name, weights[0], kind, weights[0].stat().st_size, True))
    return made


@dataclass(slots=True)
class _Scan:
    """What a model folder held at a moment, and the folders whose change would change it."""

    began: float
    entries: list[ModelEntry] = field(default_factory=list)
    folders: dict[Path, int] = field(default_factory=dict)
    """Time of change in nanoseconds."""

    def holds(self) -> bool:
        """Whether a new look would find the same."""
        try:
            same = all(folder.stat().st_mtime_ns == time_ns for folder, time_ns in self.folders.items())
        except OSError:
            return False
        return same and self.began - max(self.folders.values(), default=0) / 1e9 > _SETTLED


_scans: dict[Path, _Scan] = {}


def _in_folder(root: Path) -> list[ModelEntry]:
    scan = _scans.get(root)
    if scan is None or not scan.folders or not scan.holds():
        scan = _scans[root] = _look_through(root)
    return scan.entries


def _look_through(root: Path) -> _Scan:
    """Every model below a folder, links followed. Hidden folders and those that may not be read are passed over."""
    scan = _Scan(time.time())
    seen: set[tuple[int, int]] = set()
    waiting = [(root, root, kind_of_folder(root.name), 0)]
    while waiting:
        folder, base, kind, depth = waiting.pop()
        try:
            about = folder.stat()
            inside = sorted(os.scandir(folder), key=lambda entry: natural(entry.name), reverse=True)
        except OSError:
            continue
        if (about.st_dev, about.st_ino) in seen:
            continue
        seen.add((about.st_dev, about.st_ino))
        scan.folders[folder] = about.st_mtime_ns
        whole = _folder_model(folder, kind)
        if whole is not None:
            name = folder.relative_to(base).as_posix() if folder != base else folder.name
            scan.entries.append(ModelEntry(name, folder, whole, _size(folder)))
            continue
        for entry in inside:
            if entry.name.startswith("."):
                continue
            path = Path(entry.path)
            if _is_folder(entry):
                if depth < _DEEPEST:
                    own = kind_of_folder(entry.name)
                    waiting.append((path, path, own, depth + 1) if own else (path, base, kind, depth + 1))
            elif path.suffix.casefold() in WEIGHTS and (found := kind or kind_of_file(path)) is not None:
                scan.entries.append(ModelEntry(path.relative_to(base).as_posix(), path, found, _size(path)))
    scan.entries.sort(key=lambda entry: natural(entry.name))
    return scan


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _folder_model(folder: Path, kind: str | None) -> str | None:
    """The kind of a model that is a folder; None for a folder that only holds models."""
    if (folder / INDEX).is_file():
        return "checkpoint"
    found = kind_of_component(folder)
    return kind if kind is not None and found is not None else found


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 for what cannot be asked."""
    files = path.rglob("*") if path.is_dir() else (path,)
    total = 0
    for file in files:
        try:
            about = file.stat()
        except OSError:
            continue
        total += about.st_size if stat.S_ISREG(about.st_mode) else 0
    return total
