"""Arithmetic that an artist types, such as `max(a, b) * 2 + 1`. Read as a tree and worked out here: no code of it is ever run."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

from studio.sdk import ValueRefused

LONGEST: Final = 500
_LARGEST_POWER: Final = 1000.0

_BINARY: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: Final[Mapping[type[ast.unaryop], Callable[[float], float]]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_COMPARE: Final[Mapping[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS: Final[Mapping[str, tuple[int, int, Callable[..., float]]]] = {
    "abs": (1, 1, abs),
    "min": (1, 16, min),
    "max": (1, 16, max),
    "round": (1, 1, lambda x: float(math.floor(x + 0.5))),
    "floor": (1, 1, math.floor),
    "ceil": (1, 1, math.ceil),
    "sqrt": (1, 1, math.sqrt),
    "exp": (1, 1, math.exp),
    "log": (1, 2, math.log),
    "sin": (1, 1, math.sin),
    "cos": (1, 1, math.cos),
    "tan": (1, 1, math.tan),
    "clamp": (3, 3, lambda x, low, high: min(max(x, low), high)),
    "lerp": (3, 3, lambda a, b, t: a + (b - a) * t),
}
"""By name: fewest arguments, most arguments, and what is worked out."""
CONSTANTS: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e, "tau": math.tau}


def calculate(text: str, values: Mapping[str, float]) -> float:
    """The value of an expression of numbers, names of `values`, + - * / // % **, comparisons (1 or 0), `x if c else y` and `FUNCTIONS`.

    Raises `ValueRefused` for anything else, and where there is no finite result.
    """
    if len(text) > LONGEST:
        raise refused(f"The expression is longer than {LONGEST} letters.")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        result = float(_value(tree.body, {**CONSTANTS, **values}))
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise refused(f"'{text}' cannot be read.", "Write it like  max(a, b) * 2 + 1.") from error
    except ZeroDivisionError as error:
        raise refused(f"'{text}' divides by zero.") from error
    except (ArithmeticError, ValueError) as error:
        raise refused(f"'{text}' has no result: {error}.") from error
    if not math.isfinite(result):
        raise refused(f"'{text}' has no finite result.")
    return result


def refused(what: str, mend: str = "") -> ValueRefused:
    return ValueRefused(what, socket="expression", mend=mend)


def _value(tree: ast.expr, values: Mapping[str, float]) -> float:
    match tree:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id=name):
            if name not in values:
                raise refused(f"There is no '{name}'.", f"Known are {', '.join(values)}.")
            return float(values[name])
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(operand, values))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left, values), _value(right, values))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _BINARY[type(sign)](_value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARE:
            return float(_COMPARE[type(sign)](_value(left, values), _value(right, values)))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, values) else orelse, values)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            fewest, most, function = FUNCTIONS[name]
            if not fewest <= len(arguments) <= most:
                raise refused(f"{name}() takes {fewest if fewest == most else f'{fewest} to {most}'} numbers.")
            return float(function(*(_value(one, values) for one in arguments)))
    raise refused(f"'{ast.unparse(tree)}' is not arithmetic.", f"Functions are {', '.join(FUNCTIONS)}.")


def _power(base: float, exponent: float) -> float:
    if abs(exponent) > _LARGEST_POWER:
        raise refused(f"The power {exponent:g} is too large.")
    if base < 0 and exponent != int(exponent):
        raise refused(f"{base:g} to the power {exponent:g} is no real number.")
    return math.pow(base, exponent)
