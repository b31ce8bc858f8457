"""A digest of the code that computes a node, which is part of every content key: changed code computes anew.

It covers the source of the node's module and, transitively, of the modules of the same package and of our own packages that it
imports. The imports are found in the text, not by running it. Other libraries do not count: their version is not ours to watch.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, Final

OURS: Final = ("studio", "nodes")
_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>[.\w]+)[ \t]+import[ \t]+(?:\((?P<several>[^)]*)\)|(?P<names>[^\n#]+))"
    r"|import[ \t]+(?P<plain>[^\n#]+))",
    re.MULTILINE,
)
"""Import statements, also those in a docstring: too much in the digest does no harm. A parser takes ten times as long, at each start."""
_NAME: Final = re.compile(r"^\s*([.\w]+)")


def code_digest(function: Callable[..., Any]) -> str:
    """Hexadecimal digest of the code behind a function. Without a source file, of its byte code alone."""
    module = function.__module__
    if _source(module) is None:
        return hashlib.blake2b(_byte_code(function.__code__), digest_size=16).hexdigest()
    return _module_digest(module)


def forget() -> None:
    """Read the sources anew: for a plugin whose files have changed."""
    _module_digest.cache_clear()
    _imports.cache_clear()
    _source.cache_clear()


@cache
def _module_digest(module: str) -> str:
    reached, waiting = {module}, [module]
    while waiting:
        for name in _imports(waiting.pop()):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(reached):
        content = _source(name)
        if content is not None:
            digest.update(name.encode() + b"\0" + hashlib.blake2b(content, digest_size=16).digest())
    return digest.hexdigest()


@cache
def _imports(module: str) -> tuple[str, ...]:
    """The modules that a module imports, as far as they are ours or of its own package."""
    content = _source(module)
    if content is None:
        return ()
    roots = {*OURS, module.partition(".")[0]}
    found = (name for name in _named(content.decode(errors="replace"), module) if name.partition(".")[0] in roots)
    return tuple(dict.fromkeys(name for name in found if _source(name) is not None))


def _named(text: str, module: str) -> Iterator[str]:
    for one in _IMPORT.finditer(text):
        if one["plain"]:
            yield from (match[1] for part in one["plain"].split(",") if (match := _NAME.match(part)))
            continue
        source = _absolute(one["module"], module)
        yield source
        for part in (one["several"] or one["names"]).split(","):
            name = _NAME.match(part)
            if name is not None:
                yield f"{source}.{name[1]}"


def _absolute(name: str, module: str) -> str:
    """`.helper` in `plugin.nodes` is `plugin.helper`."""
    rest = name.lstrip(".")
    up = len(name) - len(rest)
    if up == 0:
        return name
    is_package = _is_package(module)
    base = module.split(".")
    kept = base[: len(base) - up + is_package]
    return ".".join([*kept, rest] if rest else kept)


def _is_package(module: str) -> bool:
    path = _path(module)
    return path is not None and path.name == "__init__.py"


@cache
def _source(module: str) -> bytes | None:
    path = _path(module)
    return path.read_bytes() if path is not None else None


def _path(module: str) -> Path | None:
    """The source file of a module, found without importing it; None where there is none."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        return Path(loaded) if loaded.endswith(".py") and Path(loaded).is_file() else None
    above, _, name = module.rpartition(".")
    rest = [name]
    while above and above not in sys.modules:
        above, _, name = above.rpartition(".")
        rest.insert(0, name)
    for folder in getattr(sys.modules.get(above), "__path__", ()):
        stem = Path(folder).joinpath(*rest)
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    return None


def _byte_code(code: CodeType) -> bytes:
    nested = [_byte_code(one) if isinstance(one, CodeType) else repr(one).encode() for one in code.co_consts]
    return b"\0".join([code.co_code, repr((code.co_names, code.co_varnames)).encode(), *nested])
