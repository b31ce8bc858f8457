"""Pictures of steps and of results, for as long as somebody looks and they cost next to nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np

from studio.graph.errors import ValueRefused
from studio.graph.graph import NodeId
from studio.protocol.messages import Picture
from studio.protocol.pictures import PictureMemory
from studio.sdk.context import PreviewMaker
from studio.worker.shown import Pixels, scaled_down, show

LARGEST_PREVIEW: Final = 2048
_THUMBNAIL: Final = 256
_LOST: Final = 1.0
"""Seconds after which a picture that nobody took counts as taken: its message may have been dropped."""
_MOST_UNREAD: Final = 8
_SHARE: Final = 0.05
_FREE: Final = 0.005
"""Small pictures of results may take this share of a run, and so many seconds beyond."""


class Previews:
    """Pictures of one run."""

    def __init__(self, pictures: PictureMemory, *, every: bool) -> None:
        self._pictures = pictures
        self._every = every
        self._last: dict[NodeId, tuple[Picture, float]] = {}
        self._unread: deque[Picture] = deque()
        self._began = time.monotonic()
        self._spent = 0.0

    def step(self, node: NodeId, maker: PreviewMaker) -> Picture | None:
        """The picture of a step, unless the one before it was not looked at yet. Raises `ValueRefused` for what is no picture."""
        if self._every:
            self._wait_for_reader()
        elif (last := self._last.get(node)) is not None and self._is_outstanding(*last):
            return None
        made = maker()
        if made is None:
            return None
        pixels = _checked(made)
        picture = self.put(scaled_down(pixels, LARGEST_PREVIEW))
        if picture is not None:
            self._last[node] = (picture, time.monotonic())
            if self._every:
                self._unread.append(picture)
        return picture

    def result(self, value_of: Callable[[], object]) -> Picture | None:
        """A small picture of a node's result, while such pictures have not used up their share of the run."""
        before = time.monotonic()
        if self._spent > _FREE + _SHARE * (before - self._began):
            return None
        shown = show(value_of(), 0, _THUMBNAIL)
        picture = self.put(shown.pixels) if shown.pixels is not None else None
        self._spent += time.monotonic() - before
        return picture

    def put(self, pixels: Pixels) -> Picture | None:
        return put(self._pictures, pixels)

    def _is_outstanding(self, picture: Picture, sent: float) -> bool:
        return not self._pictures.seen(picture) and time.monotonic() - sent < _LOST

    def _wait_for_reader(self) -> None:
        deadline = time.monotonic() + _LOST
        while len(self._unread) >= _MOST_UNREAD and time.monotonic() < deadline:
            if self._pictures.seen(self._unread[0]):
                self._unread.popleft()
            else:
                time.sleep(0.001)
        while len(self._unread) >= _MOST_UNREAD:
            self._unread.popleft()


def put(pictures: PictureMemory, pixels: Pixels) -> Picture | None:
    """Into the shared memory; None where it does not fit."""
    height, width, channels = pixels.shape
    return pictures.write(np.ascontiguousarray(pixels).data.cast("B"), width, height, channels)


def _checked(pixels: object) -> Pixels:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3:
        kind = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise ValueRefused(f"A preview is a uint8 array of the shape (height, width, 3), not {kind}.")
    if pixels.shape[2] not in (3, 4) or 0 in pixels.shape:
        raise ValueRefused(f"A preview has the shape (height, width, 3), not {pixels.shape}.")
    return pixels
