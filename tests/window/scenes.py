"""Whether a scene shows its graph, whole and nothing else."""

from __future__ import annotations

from studio.window.canvas.scene import CanvasScene


def assert_shows(scene: CanvasScene) -> None:
    """Nodes, frames and notes where the graph has them; wires from socket to socket; indexes that agree."""
    graph = scene.graph
    assert scene.nodes.keys() == graph.nodes.keys()
    assert scene.frames.keys() == graph.frames.keys()
    assert scene.notes.keys() == graph.notes.keys()
    for id, item in scene.nodes.items():
        node = graph.nodes[id]
        assert item.node == node
        assert (item.pos().x(), item.pos().y()) == node.position
        assert set(item.linked) == {input.name for input in graph.links if input.node == id}
        box = scene.overview.rect_of(id)
        assert box is not None
        assert (box.x(), box.y(), box.width(), box.height()) == (*node.position, item.layout.width, item.layout.height)
    for frame, shown in scene.frames.items():
        assert shown.frame == graph.frames[frame]
        assert (shown.pos().x(), shown.pos().y()) == graph.frames[frame].position
    for note, written in scene.notes.items():
        assert written.note == graph.notes[note]
    assert scene.wires.wires.keys() == graph.links.keys()
    for input, output in graph.links.items():
        wire = scene.wires.wires[input]
        start, end = scene.socket_point(output, is_output=True), scene.socket_point(input, is_output=False)
        if start is None or end is None:  # a socket that the node type does not have: the wire ends at the band
            item = scene.nodes[output.node if start is None else input.node]
            known = item.spec.outputs_by_name if start is None else item.spec.inputs_by_name
            assert (output.name if start is None else input.name) not in known
            continue
        assert (wire.x1, wire.y1, wire.x2, wire.y2) == (start.x(), start.y(), end.x(), end.y())
        middle = wire.drawn().pointAtPercent(0.5)
        assert scene.wires.at(middle, 4) is not None
    for kind, id in scene.selected:
        item = scene.thing((kind, id))
        assert item is not None
        assert item.selected
