"""Which sampler of a workflow a command means, and which of its steps."""

from __future__ import annotations

from collections.abc import Iterable

from studio.graph.branching import START, START_STEP, TRAIL
from studio.graph.errors import Misuse
from studio.graph.flat import flatten
from studio.graph.graph import Graph, NodeId
from studio.graph.spec import Catalog


def samplers(graph: Graph, catalog: Catalog) -> tuple[NodeId, ...]:
    """The nodes that run step by step and give their trail; those inside subgraphs as paths, `upscale/sampler`."""
    flat = flatten(graph, catalog).nodes
    return tuple(id for id, node in flat.items() if _makes_steps(catalog, node.type))


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


def _makes_steps(catalog: Catalog, type: str) -> bool:
    spec = catalog.get(type)
    return spec is not None and TRAIL in spec.outputs_by_name and {START, START_STEP} <= spec.inputs_by_name.keys()


def _listed(names: Iterable[NodeId]) -> str:
    return f"There are: {', '.join(names)}."
