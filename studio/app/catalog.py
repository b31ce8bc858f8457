"""The node types as a worker last told them, for a start without waiting for one.

The worker keeps the catalog in a file. Beside it lies a stamp of the code that it was read from, so that a command which only asks
for node types need not start a worker to learn that nothing has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from studio import __version__
from studio.app.settings import Settings
from studio.graph.errors import WriteFailed
from studio.graph.spec import Catalog
from studio.library.places import Places
from studio.protocol.catalog_file import read_specs

CATALOG_FILE: Final = "catalog.json"
_STAMP_FILE: Final = "catalog.stamp"
_PACKAGES: Final = ("nodes", "studio/graph", "studio/sdk", "studio/diffusion", "studio/library")
_ROOT: Final = Path(__file__).resolve().parents[2]


def kept_catalog(places: Places) -> Catalog | None:
    """As a worker told it last, possibly of older code; None where none has yet, or the file is damaged."""
    return read_specs(places.cache / CATALOG_FILE)


def fresh_catalog(settings: Settings, places: Places) -> Catalog | None:
    """The same, where neither code nor the choice of plugins has changed since; else None."""
    try:
        stamp = (places.cache / _STAMP_FILE).read_text("ascii")
    except (OSError, ValueError):
        return None
    return kept_catalog(places) if stamp == code_stamp(settings, places) else None


def keep_stamp(stamp: str, places: Places) -> None:
    """Note that the kept catalog is that of the code with this stamp. Where that cannot be noted, the next command asks a worker again."""
    from studio.files.atomic import write_atomically

    with suppress(WriteFailed):
        write_atomically(places.cache / _STAMP_FILE, stamp)


def code_stamp(settings: Settings, places: Places) -> str:
    """A digest of the names, sizes and times of the files that node types are read from, and of which plugins are enabled.

    It is taken before a worker starts: what changes while that one reads must not pass for what it read.
    """
    import hashlib

    digest = hashlib.blake2b(repr((__version__, settings.enabled_plugins)).encode(), digest_size=16)
    folders = [_ROOT / package for package in _PACKAGES]
    if settings.enabled_plugins:
        folders += [places.plugins, *map(Path, settings.plugin_folders)]
    for folder in folders:
        for path in _sources(folder):
            status = path.stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".toml") and path.is_file())
