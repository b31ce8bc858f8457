"""Where a wire in the hand may land."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.graph.graph import NodeId, Socket
from studio.graph.types import refusal

if TYPE_CHECKING:
    from studio.window.canvas.scene import CanvasScene


class Landing:
    """Where a wire that is held at one end may land. Asked socket by socket, while nodes are painted."""

    def __init__(self, scene: CanvasScene, held: Socket, is_output: bool) -> None:
        self.held = held
        self.is_output = is_output
        self._scene = scene
        self._type = scene.wiring.type_of(held.node, held.name, is_output)
        self._barred = scene.wiring.reachable((held.node,), upstream=is_output)

    def fits(self, id: NodeId, name: str, is_output: bool) -> bool:
        """Whether the wire may land on this socket; true for the one it comes from."""
        if id == self.held.node:
            return name == self.held.name and is_output == self.is_output
        if is_output == self.is_output or id in self._barred:
            return False
        other = self._scene.wiring.type_of(id, name, is_output)
        pair = (self._type, other) if self.is_output else (other, self._type)
        return refusal(*pair) is None
