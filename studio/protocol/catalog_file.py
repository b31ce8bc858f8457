"""The catalog of the last worker, kept on disk: the next window knows its nodes before its worker is ready."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from studio.graph.codec import decode, encode
from studio.graph.errors import CodecError
from studio.graph.spec import Catalog, NodeSpec

if TYPE_CHECKING:
    from studio.protocol.messages import CatalogSent


class KeptSpecs(Mapping[str, NodeSpec]):
    """Node types as they lie in the file, each decoded when it is first asked for, all when they are listed.

    One that this version cannot read is as good as none: the worker's own word is on its way.
    """

    def __init__(self, plain: Mapping[str, object]) -> None:
        self._plain = dict(plain)
        self._specs: dict[str, NodeSpec] = {}

    def __getitem__(self, type: str) -> NodeSpec:
        if type not in self._specs:
            try:
                self._specs[type] = decode(NodeSpec, self._plain[type], type)
            except CodecError as error:
                del self._plain[type]
                raise KeyError(type) from error
        return self._specs[type]

    def __iter__(self) -> Iterator[str]:
        return iter([type for type in tuple(self._plain) if type in self])

    def __len__(self) -> int:
        return len(list(iter(self)))


def read_specs(file: Path) -> Catalog | None:
    """The node types alone, without loading the messages of the seam: for a window that has painted nothing yet."""
    try:
        plain = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    for name in ("sent", "catalog"):
        plain = plain.get(name) if isinstance(plain, dict) else None
    if not isinstance(plain, dict) or not isinstance(plain.get("specs"), dict):
        return None
    return Catalog(KeptSpecs(plain["specs"]), str(plain.get("fingerprint", "")))


def read_catalog(file: Path) -> CatalogSent | None:
    """What the last worker sent, or None where nothing usable is kept. Its fingerprint tells whether it is still true."""
    from studio.protocol.messages import VERSION, CatalogSent

    try:
        plain = json.loads(file.read_bytes())
        if not isinstance(plain, dict) or plain.get("version") != VERSION:
            return None
        return decode(CatalogSent, plain.get("sent"))
    except (OSError, ValueError, RecursionError, CodecError):
        return None


def write_catalog(file: Path, sent: CatalogSent) -> bool:
    """Keep it for the next start. False where there is no room or no permission: then the next window waits for its worker."""
    from studio.protocol.messages import VERSION

    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"version": VERSION, "sent": encode(sent)}), "ascii")
        beside.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        return False
    return True
