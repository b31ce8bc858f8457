from __future__ import annotations

import pytest

from nodes.words import case, each_with_each, fill, from_number, join, join_list, lines, replace, split, text, to_number
from studio.graph.errors import ValueRefused
from studio.sdk.testing import run_node


def test_joining_leaves_out_what_is_empty() -> None:
    assert run_node(text, text="a\nb") == "a\nb"
    assert run_node(join, first="a cat", second="at night") == "a cat, at night"
    assert run_node(join, first="", second="at night") == "at night"
    assert run_node(join_list, texts=["a", "b"], between=" - ") == "a - b"


def test_replacing() -> None:
    assert run_node(replace, text="a cat, a Cat", find="cat", by="dog") == "a dog, a Cat"
    assert run_node(replace, text="a cat, a Cat", find="cat", by="dog", match_case=False) == "a dog, a dog"
    assert run_node(replace, text="cat catalogue", find="cat", by="dog", whole_words=True) == "dog catalogue"
    assert run_node(replace, text="a.c abc", find="a.c", by=r"\1") == r"\1 abc", "no pattern, just words"
    assert run_node(replace, text="abc", find="") == "abc"


def test_filling_in() -> None:
    assert run_node(fill, template="{a} and {b}, {a}", a="x", b="{a}") == "x and {a}, x"
    assert run_node(fill, template="{a} pictures", a=3) == "3 pictures"
    assert run_node(fill, template="{ a } {} {{") == "{ a } {} {{"
    with pytest.raises(ValueRefused, match=r"no '\{d\}'"):
        run_node(fill, template="{d}")


def test_lists_of_texts() -> None:
    assert run_node(lines, text="a\n\n  b \r\nc\n") == ["a", "b", "c"]
    assert run_node(lines, text="") == []
    assert run_node(split, text="a, b,,c ") == ["a", "b", "c"]
    with pytest.raises(ValueRefused, match="nothing to cut at"):
        run_node(split, text="a", at="")
    assert run_node(each_with_each, first=["a", "b"], second=["x", "y"], between=" ") == ["a x", "a y", "b x", "b y"]
    with pytest.raises(ValueRefused, match="too many"):
        run_node(each_with_each, first=["a"] * 200, second=["b"] * 200)


@pytest.mark.parametrize(
    ("number", "decimals", "digits", "written"),
    [
        (3.14159, 2, 1, "3.14"),
        (3, 0, 4, "0003"),
        (-3.5, 1, 3, "-003.5"),
        (0.005, 2, 1, "0.01"),
        (1e20, 0, 1, "100000000000000000000"),
    ],
)
def test_writing_numbers(number: float, decimals: int, digits: int, written: str) -> None:
    assert run_node(from_number, number=number, decimals=decimals, digits=digits) == written


def test_reading_numbers() -> None:
    assert run_node(to_number, text=" -1.5e1 ") == -15
    for words in ("three", "", "nan"):
        with pytest.raises(ValueRefused):
            run_node(to_number, text=words)


def test_case() -> None:
    for to, result in {
        "small": "a red cat",
        "capital": "A RED CAT",
        "First letter": "A red Cat",
        "Every Word": "A Red Cat",
    }.items():
        assert run_node(case, text="a red Cat", to=to) == result
