"""Branches as edits of the graph: another try from a step of a sampler on, beside what was there.

The sampler is copied, and of what feeds it only what is changed, with all between the two; so is everything that hangs on the sampler. The
copy begins from the original's trail. The branch is then in the workflow like anything else: saved, undone in one go, and computed
anew from nothing where need be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from studio.graph.edits import AddNodes, AnyEdit, Batch
from studio.graph.errors import Misuse
from studio.graph.flat import flatten
from studio.graph.graph import Graph, Node, NodeId, Point, Socket, Value, fresh_id
from studio.graph.spec import Catalog, NodeSpec
from studio.graph.types import TRAIL

_GAP = 80.0
_LARGE: Point = (320.0, 800.0)
"""Width and height that a node is taken for where the file does not say: as large as nodes with a preview get."""


def samplers(graph: Graph, catalog: Catalog) -> tuple[NodeId, ...]:
    """The nodes that run step by step and give their trail; those inside subgraphs as paths, `upscale/sampler`."""
    flat = flatten(graph, catalog).nodes
    return tuple(id for id, node in flat.items() if (spec := catalog.get(node.type)) and _trail_of(spec))


def sampler_named(graph: Graph, catalog: Catalog, name: str = "") -> NodeId:
    """The sampler of that name; without one, the only sampler there is. Raises `Misuse`."""
    found = samplers(graph, catalog)
    if name:
        if NodeId(name) not in found:
            raise Misuse(f"'{name}' is no sampler.", where="--node", mend=_listed(found))
        return NodeId(name)
    if not found:
        raise Misuse(
            "There is no sampler in this workflow.", mend="Only what a sampler does step by step can be paused."
        )
    if len(found) > 1:
        raise Misuse(f"There are {len(found)} samplers in this workflow.", where="--node", mend=_listed(found))
    return found[0]


def steps_of(graph: Graph, catalog: Catalog, sampler: NodeId) -> int | None:
    """How many steps a sampler will do, where its controls alone say so."""
    node = flatten(graph, catalog).nodes.get(sampler)
    spec = catalog.get(node.type) if node is not None else None
    if node is None or spec is None or "steps" in node.inputs or "sigmas" in node.inputs:
        return None
    declared = spec.inputs_by_name.get("steps")
    value = node.parameters.get("steps", declared.default if declared is not None else None)
    return value if isinstance(value, int) else None


def require_step(graph: Graph, catalog: Catalog, sampler: NodeId, step: int, lowest: int, beyond: int) -> None:
    """Raises `Misuse` where a sampler has no such step: `lowest` is the first that will do, and the last is `beyond` before its end."""
    steps = steps_of(graph, catalog, sampler)
    last = None if steps is None else steps - beyond
    if step < lowest or (last is not None and step > last):
        upper = f" to {last}" if last is not None else " or more"
        what = f"'{sampler}' has {steps} steps" if steps is not None else f"'{sampler}' has no step {step}"
        raise Misuse(f"{what}; {step} will not do.", where="step", mend=f"Choose {lowest}{upper}.")


def branch(
    graph: Graph, catalog: Catalog, sampler: NodeId, step: int, changes: Mapping[Socket, Value] | None = None
) -> AnyEdit:
    """The edit that branches off a sampler after `step` of its steps. `changes`: parameters by node and name, as they are in the branch.

    Raises `Misuse` where the node has no trail, where there is no such step, and where a change has nothing to do with the sampler.
    """
    node = graph.nodes.get(sampler)
    spec = catalog.get(node.type) if node is not None else None
    trail = _trail_of(spec) if spec is not None else None
    start = next((one.name for one in spec.inputs if one.type == TRAIL), None) if spec is not None else None
    if node is None or spec is None or trail is None or start is None:
        raise Misuse(
            f"'{sampler}' is no sampler that can be branched off.",
            where=sampler,
            mend="Choose a sampler of this graph; one inside a subgraph is branched off in there.",
        )
    require_step(graph, catalog, sampler, step, 0, 1)
    changes = dict(changes or {})
    copied = _copied(graph, sampler, trail, changes)
    taken = set(graph.nodes)
    ids: dict[NodeId, NodeId] = {}
    for id in copied:
        ids[id] = fresh_id(_stem(id), taken)
        taken.add(ids[id])
    down = _lowest(graph.nodes.values()) + _GAP - min(graph.nodes[id].position[1] for id in copied)
    nodes = {}
    for id in copied:
        original = graph.nodes[id]
        parameters = {**original.parameters, **{at.name: value for at, value in changes.items() if at.node == id}}
        if id == sampler:
            parameters[f"{start}_step"] = step
        place = (original.position[0], original.position[1] + down)
        nodes[ids[id]] = replace(original, parameters=parameters, position=place, locked="")
    links = {
        Socket(ids[input.node], input.name): Socket(ids.get(output.node, output.node), output.name)
        for input, output in graph.links.items()
        if input.node in ids and Socket(input.node, input.name) not in changes
    }
    links[Socket(ids[sampler], start)] = Socket(sampler, trail)
    return Batch((AddNodes(nodes, links),), f"Branch at step {step}")


def branched(before: Graph, after: Graph) -> tuple[NodeId, ...]:
    """The nodes of a branch that nothing hangs on, in the graph that it was made in: what is to be computed."""
    new = [id for id in after.nodes if id not in before.nodes]
    feeding = {output.node for output in after.links.values()}
    return tuple(id for id in new if id not in feeding)


def _copied(graph: Graph, sampler: NodeId, trail: str, changes: Mapping[Socket, Value]) -> list[NodeId]:
    """In the graph's order: the sampler, what hangs on its results, and of what feeds it what is changed, with all between."""
    after = _reached(graph.links.items(), {sampler}, lambda output: output != Socket(sampler, trail))
    changed = {at.node for at in changes}
    backwards = [(output, input) for input, output in graph.links.items()]
    feeding = _reached(backwards, {sampler}, lambda socket: True)
    upstream = feeding & _reached(graph.links.items(), changed, lambda socket: True)
    for at in changes:
        if at.node not in upstream | after:
            what = "does not lead to" if at.node in graph.nodes else "is not in the graph of"
            raise Misuse(f"'{at.node}' {what} '{sampler}'.", where=str(at), mend="Change what the sampler depends on.")
    return [id for id in graph.nodes if id in upstream or id in after]


def _reached(
    links: Iterable[tuple[Socket, Socket]], start: Collection[NodeId], follows: Callable[[Socket], bool]
) -> set[NodeId]:
    """The nodes at which one arrives along links (where to, where from) that are followed, and those to start with."""
    onwards: dict[NodeId, list[NodeId]] = {}
    for to, source in links:
        if follows(source):
            onwards.setdefault(source.node, []).append(to.node)
    found, waiting = set(start), list(start)
    while waiting:
        for id in onwards.get(waiting.pop(), ()):
            if id not in found:
                found.add(id)
                waiting.append(id)
    return found


def _trail_of(spec: NodeSpec) -> str | None:
    """The output by which a node gives the trail of its steps, where it can begin from one as well."""
    takes = any(one.type == TRAIL and f"{one.name}_step" in spec.inputs_by_name for one in spec.inputs)
    return next((one.name for one in spec.outputs if one.type == TRAIL), None) if takes else None


def _lowest(nodes: Iterable[Node]) -> float:
    """How far down the nodes reach."""
    return max(node.position[1] + max((node.size or _LARGE)[1], _LARGE[1]) for node in nodes)


def _stem(id: NodeId) -> str:
    """`sampler` of `sampler_3`."""
    stem, _, number = id.rpartition("_")
    return stem if stem and number.isdigit() else id


def _listed(names: Iterable[NodeId]) -> str:
    return f"There are: {', '.join(names)}."
