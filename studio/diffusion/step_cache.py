"""First-Block-Cache: steps that would change little are answered by what the last one added.

The first block of a transformer is always computed. Where what it adds to the picture's tokens is nearly what it added in the last step
that was computed whole, the blocks after it are left out, and what they added then is added again (C. Cheng 2024, ParaAttention; after
TeaCache, Liu et al. 2024, arXiv:2411.19108).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from studio.diffusion.digest import digest
from studio.diffusion.foreign import Foreign
from studio.diffusion.timing import WHOLE_RUN, Window
from studio.graph.errors import ValueRefused

Forward: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class FirstBlockCache:
    """An adapter. `threshold`: the share by which what the first block adds may differ; 0 leaves out nothing.

    Within `window` only; the first call of a run is always whole. It remembers from step to step what no step's state holds, so a run
    with it is not resumed in its middle.
    """

    threshold: float
    window: Window = WHOLE_RUN

    @property
    def remembers(self) -> bool:
        return self.threshold > 0

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[Callable[[int, int], None]]:
        """Raises ValueRefused for a network that is not a row of blocks, such as a U-Net."""
        blocks = _blocks(network)
        run = _Run(self.threshold, self.window)
        forwards: list[Forward] = [block.module.forward for block in blocks]
        handle = network.register_forward_pre_hook(lambda module, arguments: run.call())
        try:
            for place, (block, forward) in enumerate(zip(blocks, forwards, strict=True)):
                made = _first(run, block, forward) if place == 0 else _later(run, block, forward)
                if place == len(blocks) - 1:
                    made = _last(run, block, made)
                block.module.forward = made
            yield run.begin
        finally:
            handle.remove()
            for block in blocks:
                block.module.__dict__.pop("forward", None)

    def depends_at(self, step: int, steps: int) -> bytes:
        return digest("first block cache", self.threshold, self.window.start, self.window.end)


@dataclass(slots=True)
class _Kept:
    """Of one of a step's calls of the network: what the first block added, what all after it added, in the last whole computation."""

    added: Tensor | None = None
    rest: Tensor | None = None


@dataclass(slots=True)
class _Run:
    """What is remembered through a run. A step may call the network several times; each of its calls is compared with its like."""

    threshold: float
    window: Window
    kept: dict[int, _Kept] = field(default_factory=dict)
    calls: int = 0
    active: bool = True
    skips: bool = False
    after_first: tuple[Tensor, Tensor | None] | None = None
    """Tokens of the picture and of the text."""

    def begin(self, step: int, steps: int) -> None:
        """A forward of the denoiser begins."""
        self.calls = 0
        self.active = self.window.holds(step, steps)

    def call(self) -> None:
        """The network is called."""
        self.calls += 1

    @property
    def now(self) -> _Kept:
        return self.kept.setdefault(self.calls, _Kept())

    def reached(self, last: Tensor) -> Tensor:
        """What the last block would get with all before it left out. `last`: its result; some networks join text and picture on the way."""
        assert self.after_first is not None, "the first block comes first"
        hidden, text = self.after_first
        return hidden if text is None or hidden.shape == last.shape else torch.cat([text, hidden], dim=1)

    def decide(self, added: Tensor) -> None:
        """Whether the blocks after the first are left out in this call."""
        kept = self.now
        self.skips = (
            self.active
            and kept.added is not None
            and kept.rest is not None
            and kept.added.shape == added.shape
            and _apart(added, kept.added) < self.threshold
        )
        if not self.skips:
            kept.added = added


@dataclass(frozen=True, slots=True)
class _Block:
    """A block, and where among its results the picture's tokens and the text's are. Without text it may give the tokens alone, no tuple."""

    module: nn.Module
    argument: str
    """Its first argument, the picture's tokens."""
    hidden: int
    text: int | None

    def tokens(self, output: Any) -> Tensor:  # noqa: ANN401 - what a block of diffusers gives
        found: Tensor = output[self.hidden] if isinstance(output, tuple) else output
        return found

    def text_tokens(self, output: Any) -> Tensor | None:  # noqa: ANN401
        return output[self.text] if self.text is not None else None

    def with_tokens(self, output: Any, tokens: Tensor) -> Any:  # noqa: ANN401
        if not isinstance(output, tuple):
            return tokens
        return tuple(tokens if place == self.hidden else one for place, one in enumerate(output))

    def given(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
        """The picture's tokens that come in."""
        found: Tensor = named[self.argument] if self.argument in named else arguments[0]
        return found

    def untouched(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:  # noqa: ANN401
        """What comes in, as if the block had given it."""
        hidden = self.given(arguments, named)
        if self.text is None:
            return hidden
        text = named["encoder_hidden_states"] if "encoder_hidden_states" in named else arguments[1]
        return (text, hidden) if self.hidden else (hidden, text)


def _first(run: _Run, block: _Block, forward: Forward) -> Forward:
    def called(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        output = forward(*arguments, **named)
        after = block.tokens(output)
        run.decide(after - block.given(arguments, named))
        run.after_first = after, block.text_tokens(output)
        return output

    return called


def _later(run: _Run, block: _Block, forward: Forward) -> Forward:
    def called(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        return block.untouched(arguments, named) if run.skips else forward(*arguments, **named)

    return called


def _last(run: _Run, block: _Block, forward: Forward) -> Forward:
    def called(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        output = forward(*arguments, **named)
        kept, tokens = run.now, block.tokens(output)
        if run.skips:
            assert kept.rest is not None, "nothing is left out before a whole computation"
            output = block.with_tokens(output, tokens + kept.rest)
        else:
            kept.rest = tokens - run.reached(tokens)
        run.after_first = None
        return output

    return called


def _apart(now: Tensor, before: Tensor) -> float:
    """Mean absolute difference, as a share of the mean absolute value."""
    return float((now - before).abs().mean() / before.abs().mean().clamp(min=torch.finfo(now.dtype).tiny))


def _blocks(network: nn.Module) -> list[_Block]:
    """The blocks in the order in which they are called: diffusers knows of each kind where its results are."""
    from diffusers.hooks._helpers import TransformerBlockRegistry

    found = []
    for name in ("transformer_blocks", "single_transformer_blocks", "layers", "blocks"):
        for module in getattr(network, name, ()):
            try:
                known: Foreign = TransformerBlockRegistry.get(type(module))
            except ValueError:
                raise _no_blocks() from None
            places = known.return_hidden_states_index, known.return_encoder_hidden_states_index
            found.append(_Block(module, known.hidden_states_argument_name, *places))
    if len(found) < 2:
        raise _no_blocks()
    return found


def _no_blocks() -> ValueRefused:
    return ValueRefused(
        "The step cache is for transformers, and knows the blocks of this network not.",
        socket="model",
        mend="Use it with Stable Diffusion 3, Flux, PixArt, Qwen-Image or Z-Image; a U-Net has no such blocks.",
    )
