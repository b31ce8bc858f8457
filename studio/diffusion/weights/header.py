"""The header of a safetensors file: names, shapes and formats of its tensors, without reading them.

Format: 8 bytes little-endian length, that many bytes of JSON, then the data (https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.graph.errors import ModelUnreadable

LARGEST_HEADER = 100_000_000
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor in a file."""

    dtype: str
    """As the file names it: "F16", "BF16", "F32", ... Empty where unknown."""
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says of itself."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Read and check the header. Raises ModelUnreadable for a file that is missing, cut short, or not a safetensors file."""
    download = "Download or copy the file again."
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or length > LARGEST_HEADER or length < 2:
                raise ModelUnreadable(
                    path, "This is not a safetensors file, or its beginning is damaged.", field="header", mend=download
                )
            raw = file.read(length)
    except OSError as error:
        raise ModelUnreadable(path, f"The file cannot be read: {error.strerror or error}.") from error
    if len(raw) < length:
        raise ModelUnreadable(path, "The file is cut short inside its header.", field="header", mend=download)
    try:
        entries = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ModelUnreadable(path, "The header is not valid JSON.", field="header", mend=download) from error
    if not isinstance(entries, dict):
        raise ModelUnreadable(path, "The header is not a table of tensors.", field="header", mend=download)
    metadata = entries.pop("__metadata__", None) or {}
    tensors = {}
    data = size - 8 - length
    for name, entry in entries.items():
        info, end = _tensor(path, name, entry)
        if end > data:
            raise ModelUnreadable(
                path,
                f"The file is cut short: {data:,} bytes of tensors are there, at least {end:,} belong there.",
                field=name,
                mend=download,
            )
        tensors[name] = info
    return Header(
        path, tensors, {str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}
    )


def _tensor(path: Path, name: str, entry: dict[str, Any]) -> tuple[TensorInfo, int]:
    """The tensor's entry, checked, and where its data ends."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        sound = (
            isinstance(dtype, str)
            and all(type(edge) is int and edge >= 0 for edge in (*shape, begin, end))
            and (dtype not in _BITS or math.prod(shape) * _BITS[dtype] == (end - begin) * 8)
        )
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise ModelUnreadable(
            path, "The header's entry of a tensor is damaged.", field=name, mend="Download or copy the file again."
        )
    return TensorInfo(dtype, shape), end
