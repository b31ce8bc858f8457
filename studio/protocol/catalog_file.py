"""The catalog of the last worker, kept on disk: the next window knows its nodes before its worker is ready."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from studio.graph.codec import decode, encode
from studio.graph.errors import CodecError
from studio.protocol.messages import VERSION, CatalogSent


def read_catalog(file: Path) -> CatalogSent | None:
    """What the last worker sent, or None where nothing usable is kept. Its fingerprint tells whether it is still true."""
    try:
        plain = json.loads(file.read_bytes())
        if not isinstance(plain, dict) or plain.get("version") != VERSION:
            return None
        return decode(CatalogSent, plain.get("sent"))
    except (OSError, ValueError, RecursionError, CodecError):
        return None


def write_catalog(file: Path, sent: CatalogSent) -> bool:
    """Keep it for the next start. False where there is no room or no permission: then the next window waits for its worker."""
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
