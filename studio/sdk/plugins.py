"""Plugins as they lie on disk: listed from their `plugin.toml`, without running any of their code.

A plugin is a folder with a `plugin.toml`, in the user's plugin folder or in an installed package that names itself under the entry
point group `wirelight.plugins`:

    [plugin]
    name = "print-shop"            # letters, digits and '-'; the folder's name, usually
    version = "1.0.0"
    title = "Print shop"           # the rest is optional
    description = "What it adds, in a sentence."
    author = "Who made it"
    modules = ["nodes"]            # files of the folder that declare nodes, without .py

    [requires]
    wirelight = ">=0.1"            # version of the program
    packages = ["scipy>=1.10"]     # of the Python that runs it

Keys that are not known here are left aside: a later version may know them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from studio import __version__
from studio.graph.errors import PluginBroken

FILE: Final = "plugin.toml"
GROUP: Final = "wirelight.plugins"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_LARGEST: Final = 1 << 20
"""Bytes of a plugin.toml; a larger one is not read."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What a plugin says of itself. `broken`: why it cannot be used; its other fields then hold what could be read."""

    name: str
    folder: Path
    version: str = ""
    title: str = ""
    description: str = ""
    author: str = ""
    modules: tuple[str, ...] = ()
    program: str = ""
    """Versions of the program that it works with, such as `>=0.1`; empty for any."""
    packages: tuple[str, ...] = ()
    """Packages that it needs, such as `scipy>=1.10`."""
    broken: PluginBroken | None = None


def list_plugins(folders: Iterable[Path], *, installed: bool = True) -> list[Plugin]:
    """Every plugin below these folders, and among the installed packages, by name. Runs no code of theirs: reads `plugin.toml` alone.

    A plugin that cannot be used is listed as well, with the reason in `broken`: its file does not make sense, something that it needs
    is not there, or another plugin has its name.
    """
    found: dict[str, Plugin] = {}
    for folder in (*_folders(folders), *(_installed() if installed else ())):
        plugin = read_plugin(folder)
        if plugin.name not in found:
            found[plugin.name] = plugin
        elif found[plugin.name].folder != folder:
            first = found[plugin.name]
            clash = PluginBroken(
                plugin.name, f"There are two plugins of this name: {first.folder} and {folder}.", "Remove one of them."
            )
            found[plugin.name] = replace(first, broken=clash)
    return sorted(found.values(), key=lambda one: one.name)


def read_plugin(folder: Path) -> Plugin:
    """The plugin in a folder, whether it can be used or not."""
    try:
        plugin = _described(folder, _read_toml(folder / FILE, folder.name))
    except PluginBroken as broken:
        return Plugin(folder.name, folder, broken=broken)
    missing = next(_missing(plugin), None)
    return plugin if missing is None else replace(plugin, broken=missing)


def is_plugin_name(name: str) -> bool:
    """Small letters, digits and `-` between them, a letter first, at most 60."""
    return len(name) <= 60 and _NAME.fullmatch(name) is not None


def _folders(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(
                one for one in folder.iterdir() if (one / FILE).is_file() and not one.name.startswith(".")
            )


def _installed() -> Iterator[Path]:
    """Folders of installed packages with the entry point. Only the top package is looked for, which imports nothing."""
    for point in importlib.metadata.entry_points(group=GROUP):
        top, *below = point.module.split(".")
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            continue  # its files are gone, its metadata is not: nothing that could be listed
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            folder = Path(place, *below)
            if (folder / FILE).is_file():
                yield folder


def _read_toml(path: Path, plugin: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise PluginBroken(plugin, f"{path} is larger than 1 MiB.")
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PluginBroken(plugin, f"{path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise PluginBroken(
            plugin, f"{path} is not valid TOML: {error}.", "Correct the file, or install the plugin anew."
        ) from error


def _described(folder: Path, content: Mapping[str, Any]) -> Plugin:
    reader = _Table(folder, "plugin", content)
    name = reader.text("name", needed=True)
    if not is_plugin_name(name):
        raise reader.error("name", f"'{name}' is no name for a plugin", "Use small letters, digits and '-'.")
    requires = _Table(folder, "requires", content)
    modules = reader.texts("modules")
    for module in modules:
        if not _MODULE.fullmatch(module):
            raise reader.error("modules", f"'{module}' is no module", 'Write ["nodes"] for a file nodes.py.')
    if not modules:
        raise reader.error("modules", "no module is named", 'Write modules = ["nodes"] for a file nodes.py.')
    return Plugin(
        name,
        folder,
        version=reader.text("version", needed=True),
        title=reader.text("title") or name,
        description=reader.text("description"),
        author=reader.text("author"),
        modules=modules,
        program=requires.text("wirelight"),
        packages=requires.texts("packages"),
    )


class _Table:
    """One table of a plugin.toml. Raises `PluginBroken` for a value of another kind."""

    def __init__(self, folder: Path, table: str, content: Mapping[str, Any]) -> None:
        self._folder = folder
        self._table = table
        values = content.get(table, {})
        if not isinstance(values, dict):
            raise PluginBroken(
                folder.name, f"'{table}' of {FILE} is no table.", f"Write [{table}] on a line of its own."
            )
        self._values: dict[str, Any] = values

    def error(self, key: str, what: str, mend: str = "") -> PluginBroken:
        return PluginBroken(self._folder.name, f"'{self._table}.{key}' of {FILE}: {what}.", mend)

    def text(self, key: str, *, needed: bool = False) -> str:
        value = self._values.get(key, "")
        if not isinstance(value, str):
            raise self.error(key, "this is not a text", f'Write {key} = "..."')
        if needed and not value:
            raise self.error(key, "it is missing", f'Write {key} = "..." below [{self._table}].')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.error(key, "this is not a list of texts", f'Write {key} = ["...", "..."].')
        return tuple(value)


def _missing(plugin: Plugin) -> Iterator[PluginBroken]:
    """What a plugin needs and does not find."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        if not SpecifierSet(plugin.program).contains(__version__, prereleases=True):
            yield PluginBroken(
                plugin.name,
                f"It needs Wirelight {plugin.program}; this is {__version__}.",
                "Get a version of the plugin, or of Wirelight, that fits.",
            )
    except InvalidSpecifier:
        yield PluginBroken(plugin.name, f"'{plugin.program}' of {FILE} is no range of versions.", 'Write ">=0.1,<1".')
    for needed in plugin.packages:
        try:
            requirement = Requirement(needed)
        except InvalidRequirement:
            yield PluginBroken(plugin.name, f"'{needed}' of {FILE} is no package.", 'Write "scipy>=1.10".')
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        if not version or not requirement.specifier.contains(version, prereleases=True):
            there = f"version {version} is there" if version else "which is not installed"
            yield PluginBroken(
                plugin.name,
                f"It needs the package {needed}; {there}.",
                f"Install {needed} for the Python that runs Wirelight.",
            )
