"""What the artist has chosen, in `settings.json` of the configuration folder.

There is one file for all windows; each writes only what it changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from studio.files.atomic import write_atomically
from studio.graph.codec import decode, encode
from studio.graph.errors import CodecError, Misuse

FILE_NAME: Final = "settings.json"
MOST_RECENT: Final = 20


class Theme(StrEnum):
    """How the window looks."""

    SYSTEM = "system"
    DARK = "dark"
    LIGHT = "light"
    HIGH_CONTRAST = "high_contrast"


class KeymapPreset(StrEnum):
    """Whose keys the window answers to, before the artist's own."""

    WIRELIGHT = "wirelight"
    COMFYUI = "comfyui"
    BLENDER = "blender"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; those that are not in the file have these defaults."""

    theme: Theme = Theme.SYSTEM
    device: str = "auto"
    """`auto`, `cpu`, `cuda:0`, `mps`: where models run."""
    gpu_memory: float | None = None
    """GiB of the device that may be used; None is all of it."""
    ram_memory: float | None = None
    """GiB of main memory for models and results; None is half of it."""
    disk_cache: float = 20.0
    """GiB on disk for results that are kept."""
    disk_steps: float = 4.0
    """GiB on disk for the steps of samplers; 0 keeps a few in memory."""
    previews: bool = True
    outputs: str = ""
    """The folder for pictures; empty is the library's own."""
    plugin_folders: tuple[str, ...] = ()
    enabled_plugins: tuple[str, ...] = ()
    keymap: KeymapPreset = KeymapPreset.WIRELIGHT
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The artist's own keys by command, instead of the preset's; empty for none."""
    recent_files: tuple[str, ...] = ()
    """Absolute paths, latest first."""
    window: str = ""
    """The window's places and sizes, as only the window can read."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and a sentence where something about the file was wrong."""

    settings: Settings
    message: str = ""


def load_settings(config: Path) -> Loaded:
    """The settings of a configuration folder. Never fails: a broken file is set aside whole, a broken field has its default."""
    path = config / FILE_NAME
    try:
        plain = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Loaded(Settings())
    except OSError as error:
        return Loaded(Settings(), f"{path} cannot be read ({error.strerror}). The defaults hold.")
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        return Loaded(Settings(), _set_aside(path))
    settings, wrong = Settings(), []
    for one in fields(Settings):
        if one.name in plain:
            try:
                settings = replace(
                    settings, **{one.name: getattr(decode(Settings, {one.name: plain[one.name]}), one.name)}
                )
            except CodecError as error:
                wrong.append(str(error))
    return Loaded(settings, f"{path}: {' '.join(wrong)} The default holds." if wrong else "")


def change_settings(config: Path, **changes: Any) -> Settings:  # noqa: ANN401 - each field has its own type, checked below
    """Change these fields in the file, and nothing else of what another window or a later version wrote there.

    Raises `CodecError` for a value that the field cannot have, `Misuse` for an unknown field, and `WriteFailed`.
    """
    path = config / FILE_NAME
    loaded = load_settings(config)
    for name in changes:
        if name not in Settings.__dataclass_fields__:
            raise Misuse(f"There is no setting '{name}'.", mend=f"Known: {', '.join(Settings.__dataclass_fields__)}.")
    changed = replace(loaded.settings, **changes)
    ours = encode(changed)
    checked = decode(Settings, ours, str(path))
    theirs = _other_fields(path)
    config.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({**theirs, **ours}, indent=2, ensure_ascii=False).encode() + b"\n")
    return checked


def with_recent(recent: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """The list of recent files after this one was opened or saved."""
    return (str(path), *(one for one in recent if one != str(path)))[:MOST_RECENT]


def _other_fields(path: Path) -> dict[str, Any]:
    """What the file says beyond what this version knows."""
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return (
        {name: held for name, held in plain.items() if name not in Settings.__dataclass_fields__}
        if isinstance(plain, dict)
        else {}
    )


def _set_aside(path: Path) -> str:
    aside = path.with_suffix(".broken.json")
    try:
        path.replace(aside)
    except OSError as error:
        return f"{path} is damaged, and cannot be moved away ({error.strerror}). The defaults hold."
    return f"{path} was damaged. It is kept as {aside.name}; the defaults hold."
