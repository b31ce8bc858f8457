"""What became of a file of another program: told to the artist, and by `wirelight check --json`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Nodes of one class that nothing here does: placeholders that keep all that the file says of them."""

    type: str
    count: int
    pack: str = ""
    why: str = ""
    """What the counterpart could not take, where there is one."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How the nodes of another program came over.

    `exact` ones have all their values from the file; `defaulted` ones lacked some, which have the other program's defaults. Notes and
    bends of wires count as exact. `notes`: a sentence for everything else that an artist should know.
    """

    program: str
    exact: int = 0
    defaulted: int = 0
    placeholders: tuple[Unmapped, ...] = ()
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = field(default=())
    """For each defaulted node a sentence that names the values."""

    @property
    def nodes(self) -> int:
        return self.exact + self.defaulted + self.unmapped

    @property
    def unmapped(self) -> int:
        """How many nodes are placeholders."""
        return sum(one.count for one in self.placeholders)

    @property
    def summary(self) -> str:
        """One or two sentences on the whole."""
        words = f"From {self.program}: {_count(self.exact + self.defaulted, 'node')} of {self.nodes} came over"
        words += f", {self.defaulted} of them with some default values." if self.defaulted else "."
        if self.placeholders:
            named = ", ".join(_named(one) for one in self.placeholders[:4])
            more = f" and {len(self.placeholders) - 4} more kinds" if len(self.placeholders) > 4 else ""
            words += f" Kept as placeholders: {named}{more}."
        return words


def _named(one: Unmapped) -> str:
    times = f"{one.count} x " if one.count > 1 else ""
    pack = f" ({one.pack})" if one.pack and one.pack not in ("comfy-core", "frontend") else ""
    return f"{times}{one.type}{pack}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
