"""What steers a denoising network from beside: residuals that are handed to its call, made from that call's own arguments.

A ControlNet takes what the denoising network takes, and a hint. So it is asked at the moment of the call, with the call's arguments,
and no family has to know of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from studio.diffusion.model import Residuals, Steering

WITHOUT_ROWS = ("img_ids", "txt_ids")
"""Arguments of networks that hold for all rows of a call."""


@contextmanager
def steering(network: nn.Module, steered: Sequence[Sequence[tuple[Steering, float]]], batch: int) -> Iterator[None]:
    """Within the block, calls of the network get the residuals of what steers them.

    `steered`: what steers each conditioning of the call, and how strongly; every conditioning has `batch` rows. One that steers several
    conditionings is asked once for all of them. Residuals are summed in the order in which they are first named.
    """
    rows: dict[tuple[Steering, float], list[int]] = {}
    for place, several in enumerate(steered):
        for one in several:
            rows.setdefault(one, []).extend(range(place * batch, (place + 1) * batch))
    if not rows:
        yield
        return
    signature = inspect.signature(network.forward)

    def add(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        call = {**signature.bind_partial(*args, **kwargs).arguments}
        total: dict[str, Residuals] = {}
        for (one, strength), wanted in rows.items():
            whole = len(wanted) == batch * len(steered)
            added = one.added(call if whole else _rows(call, wanted), strength, [row % batch for row in wanted])
            for name, residuals in added.items():
                spread = residuals if whole else _among_zeros(residuals, wanted, batch * len(steered))
                total[name] = _sum(total[name], spread) if name in total else spread
        return (), {**call, **total}

    handle = network.register_forward_pre_hook(add, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _rows(call: Mapping[str, Any], wanted: Sequence[int]) -> dict[str, Any]:
    """The arguments of some rows of a call."""

    def pick(name: str, value: Any) -> Any:  # noqa: ANN401 - an argument of a network
        if isinstance(value, Tensor) and value.ndim and name not in WITHOUT_ROWS:
            return value[list(wanted)]
        if isinstance(value, Mapping):
            return {inner: pick(inner, one) for inner, one in value.items()}
        return value

    return {name: pick(name, value) for name, value in call.items()}


def _among_zeros(residuals: Residuals, rows: Sequence[int], total: int) -> Residuals:
    """The residuals of some rows, and zeros for the others."""

    def spread(part: Tensor) -> Tensor:
        whole = part.new_zeros(total, *part.shape[1:])
        whole[list(rows)] = part
        return whole

    return spread(residuals) if isinstance(residuals, Tensor) else [spread(part) for part in residuals]


def _sum(first: Residuals, second: Residuals) -> Residuals:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first + second
    return [one + other for one, other in zip(first, second, strict=True)]


def hints_for(hint: Tensor, items: Sequence[int]) -> Tensor:
    """A hint of (1 or batch, ...) for the rows of a call."""
    return hint[torch.tensor([0 if len(hint) == 1 else item for item in items], device=hint.device)]
