"""The catalog of the last worker, kept on disk: the next window knows its nodes before its worker is ready."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from studio.graph.codec import decode, encode
from studio.graph.errors import CodecError
from studio.graph.spec import Catalog

if TYPE_CHECKING:
    from studio.protocol.messages import CatalogSent


def read_specs(file: Path) -> Catalog | None:
    """The node types alone, without loading the messages of the seam: for a window that has painted nothing yet."""
    try:
        plain = json.loads(file.read_bytes())
        sent = plain.get("sent") if isinstance(plain, dict) else None
        return decode(Catalog, sent.get("catalog")) if isinstance(sent, dict) else None
    except (OSError, ValueError, RecursionError, CodecError):
        return None


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
