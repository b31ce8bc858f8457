"""safetensors: a JSON head, whose `__metadata__` holds texts. ComfyUI's `.latent` files are such."""

from __future__ import annotations

import json
from typing import BinaryIO

from studio.files.containers.limits import Damaged, read_exactly


def is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 2**32


def read(file: BinaryIO, size: int) -> dict[str, str]:
    """The texts of the head."""
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8:
        raise Damaged("its head is cut off")
    try:
        head = json.loads(read_exactly(file, length, "its head"))
    except (ValueError, RecursionError):
        raise Damaged("its head is no JSON") from None
    texts = head.get("__metadata__") if isinstance(head, dict) else None
    return {key: text for key, text in texts.items() if isinstance(text, str)} if isinstance(texts, dict) else {}
