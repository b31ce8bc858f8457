"""Where settings, caches, models and pictures lie on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from studio.files.atomic import write_atomically, write_failed
from studio.graph.errors import FileProblem

HOME: Final = "WIRELIGHT_HOME"
"""Environment variable: a folder that holds everything, in place of the system's own folders."""
_MODEL_FOLDERS: Final = "model-folders.txt"


@dataclass(frozen=True, slots=True)
class Places:
    """Absolute folders; none of them need exist yet.

    `models` are the artist's model folders, the program's own (`data/models`) first; the starters are not among them.
    """

    config: Path
    cache: Path
    data: Path
    outputs: Path
    models: tuple[Path, ...]
    plugins: Path


def places() -> Places:
    """The folders as the environment and the artist's list of model folders say now. Raises `FileProblem` where it cannot be read."""
    roots = _roots(os.environ.get(HOME, ""))
    own = roots.data / "models"
    further = tuple(folder for folder in _model_folders(roots.config) if folder != own)
    return Places(roots.config, roots.cache, roots.data, roots.outputs, (own, *further), roots.data / "plugins")


def set_model_folders(folders: tuple[Path, ...]) -> None:
    """Keep these as the artist's model folders, besides the program's own. Raises `WriteFailed`."""
    config = _roots(os.environ.get(HOME, "")).config
    lines = [str(folder.expanduser().absolute()) for folder in folders]
    try:
        config.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failed(config, error) from error
    write_atomically(config / _MODEL_FOLDERS, "".join(f"{line}\n" for line in dict.fromkeys(lines)))


def _model_folders(config: Path) -> list[Path]:
    try:
        text = (config / _MODEL_FOLDERS).read_text("utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FileProblem(
            config / _MODEL_FOLDERS, f"The list of model folders cannot be read: {error.strerror}."
        ) from error
    lines = (line.strip() for line in text.removeprefix("\ufeff").split("\n"))
    return list(
        dict.fromkeys(Path(line).expanduser().absolute() for line in lines if line and not line.startswith("#"))
    )


@dataclass(frozen=True, slots=True)
class _Roots:
    config: Path
    cache: Path
    data: Path
    outputs: Path


@lru_cache(maxsize=8)
def _roots(home: str) -> _Roots:
    if home:
        base = Path(home).expanduser().absolute()
        return _Roots(base / "config", base / "cache", base / "data", base / "outputs")
    from platformdirs import PlatformDirs

    system = PlatformDirs("wirelight", appauthor=False)
    return _Roots(
        system.user_config_path,
        system.user_cache_path,
        system.user_data_path,
        system.user_pictures_path / "Wirelight",
    )
