"""Texts."""

from __future__ import annotations

import re
from typing import Final, Literal

from studio.sdk import Number, Prompt, TextArea, TextLine, ValueRefused, node

MOST_COMBINATIONS: Final = 10_000
_PLACE: Final = re.compile(r"\{(\w+)\}")


@node("text/Text", aliases=("string", "words", "constant"))
def text(text: str = TextArea()) -> str:
    """A text, to be used in several places."""
    return text


@node("text/Join", title="Join texts", aliases=("concatenate", "append", "prefix", "suffix"))
def join(first: str = TextLine(), second: str = TextLine(), between: str = TextLine(", ")) -> str:
    """Put one text behind another. An empty one is left out, with what stands between.

    Args:
        first: The beginning.
        second: The end.
        between: What stands between the two.
    """
    return between.join(one for one in (first, second) if one)


@node("text/JoinList", title="Join list of texts", aliases=("concatenate",))
def join_list(texts: list[str], between: str = TextLine(", ")) -> str:
    """All texts of a list behind each other.

    Args:
        texts: The list.
        between: What stands between each two.
    """
    return between.join(texts)


@node("text/Replace", title="Replace in text", aliases=("substitute", "find"))
def replace(
    text: str, find: str = TextLine(), by: str = TextLine(), match_case: bool = True, whole_words: bool = False
) -> str:
    """Replace every occurrence of some words.

    Args:
        text: Where to look.
        find: What to look for; nothing is replaced while this is empty.
        by: What takes its place.
        match_case: Capital and small letters differ.
        whole_words: Leave words alone that only contain it.
    """
    if not find:
        return text
    pattern = re.escape(find)
    if whole_words:
        pattern = rf"(?<!\w){pattern}(?!\w)"
    return re.sub(pattern, lambda _: by, text, flags=0 if match_case else re.IGNORECASE)


@node("text/Fill", title="Fill in text", aliases=("format", "template", "substitute"))
def fill(
    template: str = Prompt("a {a} in the {b}"), a: str = TextLine(), b: str = TextLine(), c: str = TextLine()
) -> str:
    """Put texts or numbers into the places of a template. A list at a place makes one text for each item.

    Args:
        template: The text, with {a}, {b} and {c} where they belong.
        a: Goes where {a} stands.
        b: Goes where {b} stands.
        c: Goes where {c} stands.
    """
    places = {"a": a, "b": b, "c": c}
    unknown = [name for name in _PLACE.findall(template) if name not in places]
    if unknown:
        raise ValueRefused(
            f"There is no '{{{unknown[0]}}}'.", socket="template", mend="The places are {a}, {b} and {c}."
        )
    return _PLACE.sub(lambda place: places[place[1]], template)


@node("text/Lines", title="Lines as list", aliases=("split", "prompts", "list"))
def lines(text: str = TextArea("a red circle\na blue square\na green triangle", lines=6)) -> list[str]:
    """Each line becomes an item of a list: several prompts, one picture each. Empty lines are left out.

    Args:
        text: One item a line.
    """
    return [line.strip() for line in text.splitlines() if line.strip()]


@node("text/Split", title="Split text", aliases=("list", "csv"))
def split(text: str = TextArea(), at: str = TextLine(",")) -> list[str]:
    """Cut a text into a list.

    Args:
        text: What is cut. Spaces around the pieces are left out, and so are empty pieces.
        at: Where it is cut.
    """
    if not at:
        raise ValueRefused("There is nothing to cut at.", socket="at", mend="Write a comma, for example.")
    return [piece.strip() for piece in text.split(at) if piece.strip()]


@node("text/EachWithEach", title="Each with each", aliases=("combinations", "product", "matrix"))
def each_with_each(first: list[str], second: list[str], between: str = TextLine(", ")) -> list[str]:
    """Every text of one list with every text of another: three subjects in two styles make six prompts.

    Args:
        first: The beginnings; the list changes slowest by them.
        second: The ends.
        between: What stands between the two.
    """
    if len(first) * len(second) > MOST_COMBINATIONS:
        raise ValueRefused(
            f"{len(first)} times {len(second)} are too many.",
            socket="second",
            mend=f"At most {MOST_COMBINATIONS} in all.",
        )
    return [f"{one}{between}{other}" for one in first for other in second]


@node("text/FromNumber", title="Number to text", aliases=("format", "string", "digits"))
def from_number(
    number: float = 0.0, decimals: int = Number(2, 0, 12, step=1), digits: int = Number(1, 1, 12, step=1)
) -> str:
    """Write a number as text.

    Args:
        number: The number.
        decimals: Digits behind the point.
        digits: Digits before the point, at least; zeros are put in front.
    """
    sign = "-" if number < 0 else ""
    wide = digits + (decimals + 1 if decimals else 0)
    return f"{sign}{abs(number):0{wide}.{decimals}f}"


@node("text/ToNumber", title="Text to number", aliases=("parse", "float", "int"))
def to_number(text: str) -> float:
    """Read a text as a number.

    Args:
        text: Such as 3, -0.5 or 1e3.
    """
    try:
        return float(text.strip())
    except ValueError as error:
        raise ValueRefused(f"'{text[:60]}' is no number.", socket="text", mend="Write it like -0.5 or 1e3.") from error


@node("text/Case", title="Capital and small letters", aliases=("upper", "lower", "title"))
def case(text: str, to: Literal["small", "capital", "First letter", "Every Word"] = "small") -> str:
    """Change the letters' case.

    Args:
        text: The text.
        to: Shown as it will look.
    """
    match to:
        case "small":
            return text.lower()
        case "capital":
            return text.upper()
        case "First letter":
            return text[:1].upper() + text[1:]
        case _:
            return text.title()
