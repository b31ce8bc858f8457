"""How a parameter's value reads in a node, what may be typed for it, and which parameters are shown at all. No Qt."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from typing import Final

from studio.graph.errors import Misuse
from studio.graph.graph import Node, Value
from studio.graph.spec import (
    ColorField,
    CurveField,
    FileField,
    Input,
    ModelField,
    NodeSpec,
    Number,
    Options,
    Seed,
    TextField,
    Toggle,
)

NARROW_SPACE: Final = "\u202f"
_MOST_TYPED: Final = 200


def value_of(node: Node, input: Input) -> Value:
    """What a parameter holds: the node's own value, or the declared default."""
    return node.parameters.get(input.name, input.default)


def hidden_inputs(spec: NodeSpec, node: Node, linked: Collection[str]) -> frozenset[str]:
    """Parameters without a row: those whose `shown` does not hold, and advanced ones that stand at their default. A linked one is shown."""
    hidden = set()
    for one in spec.inputs:
        if one.name in linked:
            continue
        if one.shown is not None:
            other = spec.inputs_by_name.get(one.shown.parameter)
            if other is not None and value_of(node, other) not in one.shown.values:
                hidden.add(one.name)
        if one.advanced and node.parameters.get(one.name, one.default) == one.default:
            hidden.add(one.name)
    return frozenset(hidden)


def value_text(input: Input, value: Value) -> str:
    """A value in one line: numbers grouped by thousands, paths by their last part."""
    control = input.control
    if value is None:
        return "none"
    if isinstance(control, Toggle) or isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(control, Seed) or (isinstance(control, Number) and isinstance(value, int)):
        return number_text(value, control)
    if isinstance(control, Number) and isinstance(value, float):
        return number_text(value, control)
    if isinstance(control, CurveField) and isinstance(value, str):
        return f"{value.count(',') + 1} points"
    if isinstance(control, FileField) and isinstance(value, str):
        return PurePath(value).name or "choose a file"
    if isinstance(control, ModelField) and value == "":
        return "choose a model"
    if isinstance(control, (Options, ColorField, ModelField, TextField)) and isinstance(value, str):
        return " ".join(value.split())
    return str(value)


def number_text(value: Value, control: Number | Seed) -> str:
    """`840 213`, `6.5`, `0.35 px`."""
    if isinstance(value, int):
        text = f"{value:,}".replace(",", NARROW_SPACE)
    elif isinstance(value, float) and math.isfinite(value):
        text = f"{value:.{decimals(control)}f}" if abs(value) < 1e6 else f"{value:g}"
    else:
        text = str(value)
    unit = control.unit if isinstance(control, Number) else ""
    return f"{text}{NARROW_SPACE}{unit}" if unit else text


def decimals(control: Number | Seed) -> int:
    """Digits behind the point that a step of the control needs."""
    step = control.step if isinstance(control, Number) else None
    if not step:
        return 2
    digits = 0
    while digits < 6 and abs(step * 10**digits - round(step * 10**digits)) > 1e-9:
        digits += 1
    return max(digits, 1)


def step_of(input: Input) -> float:
    """How much a number changes by one press of a key, or a few pixels of a drag."""
    control = input.control
    if isinstance(control, Number) and control.step:
        return control.step
    return 0.01 if input.type.name == "Float" else 1.0


def share(control: Number, value: Value) -> float:
    """Where a value lies between a slider's ends, 0 to 1."""
    if (
        control.low is None
        or control.high is None
        or control.high <= control.low
        or not isinstance(value, (int, float))
    ):
        return 0.0
    return min(max((value - control.low) / (control.high - control.low), 0.0), 1.0)


def fit_number(input: Input, value: float, *, snap: bool = False) -> Value:
    """The nearest value that the control allows, an int for an Int. With `snap`, on the control's steps."""
    from studio.graph.check import SEED_HIGH  # not before the first frame

    control = input.control
    whole = input.type.name == "Int" or isinstance(control, Seed)
    low, high = (0, SEED_HIGH) if isinstance(control, Seed) else (None, None)
    if isinstance(control, Number):
        low, high = control.low, control.high  # type: ignore[assignment]
        if snap and control.step:
            base = low or 0.0
            value = base + round((value - base) / control.step) * control.step
            value = round(value, decimals(control) + 2)
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    return round(value) if whole else float(value)


def typed_number(input: Input, text: str) -> Value:
    """The number that a person typed: plain, with thin spaces or commas between thousands, or arithmetic (`512*2`, `1/3`).

    Raises `Misuse` with the reason where it is none, or not finite.
    """
    cleaned = text.strip().replace(NARROW_SPACE, "").replace("\u2009", "").replace(" ", "")
    control = input.control
    if isinstance(control, Number) and control.unit:
        cleaned = cleaned.removesuffix(control.unit)
    try:
        value = int(cleaned) if cleaned.lstrip("+-").isdigit() else calculate(cleaned)
    except ValueError as error:
        raise Misuse(f"'{text.strip()}' is not a number: {error}.", where=input.name) from error
    if isinstance(value, float) and not math.isfinite(value):
        raise Misuse(f"'{text.strip()}' is not a finite number.", where=input.name)
    return fit_number(input, value)


def calculate(text: str) -> float:
    """The value of an arithmetic expression of numbers, `+ - * / // % **`, brackets and `pi`. Raises `ValueError`."""
    import ast  # only an artist who types needs it

    if len(text) > _MOST_TYPED:
        raise ValueError("it is too long")
    written = text.replace("^", "**")
    if written.count(",") == 1:
        written = written.replace(",", ".")
    try:
        tree = ast.parse(written, mode="eval")
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("it does not read as arithmetic") from None

    def reckon(node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value  # type: ignore[return-value]
        if isinstance(node, ast.Name) and node.id == "pi":
            return math.pi
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            inner = reckon(node.operand)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp):
            return _operate(type(node.op).__name__, reckon(node.left), reckon(node.right))
        raise ValueError("only numbers and + - * / % ** ( ) are understood")

    try:
        return reckon(tree.body)
    except ZeroDivisionError:
        raise ValueError("it divides by zero") from None
    except (OverflowError, RecursionError):
        raise ValueError("it is too large") from None


def _operate(name: str, left: float, right: float) -> float:
    if name == "Pow" and (abs(right) > 64 or abs(left) > 1e9):
        raise ValueError("the power is too large")
    operate = _OPERATORS.get(name)
    if operate is None:
        raise ValueError("only + - * / % ** are understood")
    result = operate(left, right)
    if isinstance(result, complex):
        raise ValueError("it is not a real number")  # noqa: TRY004 - to whoever typed it, it is a wrong value
    return result


_OPERATORS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
}
