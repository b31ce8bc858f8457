"""The steps of a sampler, as pictures: all of them small, or one of them large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from studio.engine.engine import Engine
from studio.graph.errors import WirelightError
from studio.graph.graph import NodeId
from studio.protocol.messages import STEPS_A_PAGE, FetchStep, FetchSteps, KeptStep, StepFetched, StepsFetched
from studio.protocol.pictures import LARGEST_SIDE, PictureMemory
from studio.sdk.storage import Packed
from studio.sdk.values import Latent, Trail
from studio.sdk.values.arrays import unpack_tensor
from studio.worker.previews import put
from studio.worker.shown import Pixels, projected, scaled_down, show

if TYPE_CHECKING:
    from torch import Tensor

_NONE: Final = "This node has made no steps yet."
_GONE: Final = "This step is no longer kept. Run the graph to have it again."


class StepPictures:
    """Answers what the window asks about trails. Called on the thread that fetches."""

    def __init__(self, engine: Engine, pictures: PictureMemory) -> None:
        self._engine = engine
        self._pictures = pictures

    def all(self, asked: FetchSteps) -> StepsFetched:
        """A page of small pictures, as they were seen on the way."""
        try:
            trails = self._engine.trails(asked.node)
        except WirelightError as error:
            return StepsFetched(asked.request, asked.node, asked.item, text=str(error))
        if not 0 <= asked.item < len(trails):
            return StepsFetched(asked.request, asked.node, asked.item, items=len(trails), text=_NONE)
        trail = trails[asked.item]
        first = max(asked.first, 0)
        end = min(first + min(max(asked.count, 0), STEPS_A_PAGE), trail.steps + 1)
        steps = []
        for step in range(first, end):
            pixels = self._preview(trail, step)
            small = scaled_down(pixels, min(max(asked.largest, 1), LARGEST_SIDE)) if pixels is not None else None
            picture = put(self._pictures, small) if small is not None else None
            steps.append(KeptStep(step, trail.sigmas[step], picture))
        return StepsFetched(asked.request, asked.node, asked.item, trail.steps, len(trails), tuple(steps))

    def one(self, asked: FetchStep) -> StepFetched:
        """One step, large, decoded where that was asked for and the graph can."""
        try:
            trails = self._engine.trails(asked.node)
            trail = trails[asked.item] if 0 <= asked.item < len(trails) else None
            if trail is None or not 0 <= asked.step <= trail.steps:
                return StepFetched(asked.request, asked.node, asked.step, text=_NONE)
            largest = min(max(asked.largest, 1), LARGEST_SIDE)
            whole = self._decoded(asked.node, trail, asked.step) if asked.decoded else None
            decoded = whole is not None
            if whole is None:
                whole = self._preview(trail, asked.step)
            if whole is None:
                return StepFetched(asked.request, asked.node, asked.step, trail.sigmas[asked.step], text=_GONE)
        except WirelightError as error:
            return StepFetched(asked.request, asked.node, asked.step, text=str(error))
        except Exception as error:  # noqa: BLE001 - a plugin's node decodes, and may raise anything
            text = f"This step cannot be shown: {type(error).__name__}: {error}"
            return StepFetched(asked.request, asked.node, asked.step, text=text)
        height, width = whole.shape[:2]
        return StepFetched(
            asked.request,
            asked.node,
            asked.step,
            trail.sigmas[asked.step],
            put(self._pictures, scaled_down(whole, largest)),
            decoded,
            width,
            height,
        )

    def _preview(self, trail: Trail, step: int) -> Pixels | None:
        tensor = self._predicted(trail, step)
        return projected(tensor, trail.family) if tensor is not None else None

    def _decoded(self, node: NodeId, trail: Trail, step: int) -> Pixels | None:
        """None where no node of the graph decodes it, or the step is gone."""
        tensor = self._predicted(trail, step)
        picture = self._engine.decoded(node, Latent(tensor, trail.family)) if tensor is not None else None
        return show(picture).pixels if picture is not None else None

    def _predicted(self, trail: Trail, step: int) -> Tensor | None:
        """The predicted result of a step, of the whole batch; of step 0, the noise. None where it is gone."""
        import torch

        name = "denoised" if step else "latent"
        parts = []
        for key in trail.at(step):
            packed: Packed | None = self._engine.steps.load(key)
            if packed is None or name not in packed.arrays:
                return None
            parts.append(unpack_tensor(packed.arrays[name]))
        return torch.cat(parts)
