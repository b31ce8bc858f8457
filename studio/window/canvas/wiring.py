"""Which socket feeds which: the links of a document, to be asked from both of their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from studio.graph.graph import NodeId, Socket
from studio.graph.spec import NodeSpec
from studio.graph.types import ANY, SocketType


class Wiring:
    """The links of one graph. `spec` tells what a node is shown with, None for one that is not there."""

    def __init__(self, spec: Callable[[NodeId], NodeSpec | None]) -> None:
        self._spec = spec
        self._fed_by: dict[NodeId, dict[str, Socket]] = {}
        self._feeds: dict[NodeId, dict[Socket, str]] = {}

    def clear(self) -> None:
        self._fed_by.clear()
        self._feeds.clear()

    def link(self, input: Socket, output: Socket) -> None:
        """An input, fed by nothing until now, is fed by this output."""
        self._fed_by.setdefault(input.node, {})[input.name] = output
        self._feeds.setdefault(output.node, {})[input] = output.name

    def unlink(self, input: Socket) -> Socket | None:
        """Nothing feeds an input any more. The output that did."""
        output = self._fed_by.get(input.node, {}).pop(input.name, None)
        if output is not None:
            self._feeds.get(output.node, {}).pop(input, None)
        return output

    def source(self, input: Socket) -> Socket | None:
        """The output that feeds an input."""
        return self._fed_by.get(input.node, {}).get(input.name)

    def fed(self, id: NodeId) -> Mapping[str, Socket]:
        """The inputs of a node that are fed, and by what."""
        return self._fed_by.get(id, {})

    def used(self, id: NodeId) -> Mapping[Socket, str]:
        """The inputs that a node feeds, and from which of its outputs."""
        return self._feeds.get(id, {})

    def touching(self, id: NodeId) -> list[Socket]:
        """The inputs of all links at a node, into it and out of it."""
        return [Socket(id, name) for name in self.fed(id)] + list(self.used(id))

    def reachable(self, starts: Iterable[NodeId], *, upstream: bool) -> set[NodeId]:
        """These nodes and all that they need, or all that needs them."""
        waiting = list(starts)
        seen = set(waiting)
        while waiting:
            id = waiting.pop()
            others = (
                [source.node for source in self.fed(id).values()] if upstream else [one.node for one in self.used(id)]
            )
            for other in others:
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return seen

    def type_of(self, id: NodeId, name: str, is_output: bool) -> SocketType:
        """The type that a socket carries now; a generic one takes that of what feeds it."""
        seen: set[tuple[NodeId, str]] = set()
        while (id, name) not in seen:
            seen.add((id, name))
            spec = self._spec(id)
            declared = None
            if spec is not None:
                declared = (spec.outputs_by_name if is_output else spec.inputs_by_name).get(name)
            if spec is None or declared is None:
                return ANY
            if not declared.type.variable:
                return declared.type
            fed = self.fed(id)
            source = next((fed[one.name] for one in spec.inputs if one.type == declared.type and one.name in fed), None)
            if source is None:
                return declared.type
            id, name, is_output = source.node, source.name, True
        return ANY
