"""Digests of what a step depends on. Equal digests mean equal numbers; nothing of a process, an id or `hash()` goes in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Digestible: TypeAlias = Tensor | str | bytes | int | float | Sequence["Digestible"] | Mapping[str, "Digestible"] | None


def digest(*values: Digestible) -> bytes:
    """16 bytes that stand for the values: a tensor's shape, number format and content, numbers exactly, sequences in their order."""
    taken = hashlib.blake2b(digest_size=16)
    for value in values:
        _take(taken, value)
    return taken.digest()


def _take(taken: hashlib.blake2b, value: Digestible) -> None:
    if isinstance(value, Tensor):
        whole = value.detach().cpu().contiguous()
        taken.update(f"T{whole.dtype}{tuple(whole.shape)}".encode())
        taken.update(whole.reshape(-1).view(torch.uint8).numpy().data)
    elif isinstance(value, (str, bytes)):
        raw = value.encode() if isinstance(value, str) else value
        taken.update(f"{'S' if isinstance(value, str) else 'B'}{len(raw)}:".encode() + raw)
    elif isinstance(value, float):
        taken.update(f"F{value.hex()}".encode())
    elif value is None or isinstance(value, int):
        taken.update(f"P{value!r};".encode())
    elif isinstance(value, Mapping):
        taken.update(f"M{len(value)}".encode())
        for name in sorted(value):
            _take(taken, name)
            _take(taken, value[name])
    else:
        taken.update(f"L{len(value)}".encode())
        for one in value:
            _take(taken, one)
