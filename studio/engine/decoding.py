"""Which node of a graph turns a sampler's latent into a picture, so that a single step can go through it as well."""

from __future__ import annotations

from studio.engine.task import Edge, Task
from studio.graph.types import IMAGE, LATENT


def decoder_of(task: Task) -> tuple[Task, Edge] | None:
    """The nearest node downstream that makes pictures of latents, with the link by which it gets them. What changes latents on the way
    (scales or picks) is passed over. None where there is none."""
    waiting, seen = [task], {task}
    for one in waiting:
        for user in one.users:
            edge = next((edge for edge in user.edges if edge.source is one and _takes_latent(user, edge)), None)
            if edge is None or user.type is None or user in seen:
                continue
            spec = user.type.spec
            if not spec.effect and any(output.type == IMAGE for output in spec.outputs):
                return user, edge
            if not user.type.trails:
                seen.add(user)
                waiting.append(user)
    return None


def _takes_latent(user: Task, edge: Edge) -> bool:
    spec = user.type.spec if user.type is not None else None
    taken = spec.inputs_by_name.get(edge.input) if spec is not None else None
    return taken is not None and taken.type == LATENT
