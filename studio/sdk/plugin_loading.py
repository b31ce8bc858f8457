"""Plugins that the user has enabled, imported and registered. One that breaks is reported and left out; the others go on."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from studio.graph.errors import DeclarationError, PluginBroken
from studio.sdk import digest
from studio.sdk.definition import NodeDefinition
from studio.sdk.plugins import Plugin, list_plugins
from studio.sdk.registry import Registry, definitions_in

PACKAGE: Final = "wirelight_plugins"
"""Every plugin is a package below this one, so that two of them may both have a module `nodes`."""


def load_plugins(
    registry: Registry, enabled: Collection[str], folders: Iterable[Path], *, installed: bool = True
) -> list[PluginBroken]:
    """Add the nodes of the enabled plugins to the registry: all nodes of a plugin, or none. Returns what was skipped, and why."""
    listed = {plugin.name: plugin for plugin in list_plugins(folders, installed=installed)}
    skipped = []
    for name in sorted(set(enabled)):
        plugin = listed.get(name)
        if plugin is None:
            skipped.append(PluginBroken(name, "It is enabled, but not there.", "Install it again, or disable it."))
            continue
        try:
            registry.add_all(import_plugin(plugin))
        except PluginBroken as broken:
            skipped.append(broken)
        except DeclarationError as error:
            skipped.append(PluginBroken(name, error.what, error.mend))
    return skipped


def import_plugin(plugin: Plugin) -> list[NodeDefinition]:
    """Import the modules of a plugin, anew where they were imported before. Raises `PluginBroken`, and then nothing of it stays behind."""
    if plugin.broken is not None:
        raise plugin.broken
    package = package_of(plugin)
    _forget(package)
    digest.forget()
    found: list[NodeDefinition] = []
    try:
        _make_package(package, plugin.folder)
        for name in plugin.modules:
            found.extend(definitions_in(importlib.import_module(f"{package}.{name}")))
    except (Exception, SystemExit) as error:
        _forget(package)
        raise _reason(plugin, error) from error
    if not found:
        _forget(package)
        raise PluginBroken(
            plugin.name, f"It declares no node in {', '.join(plugin.modules)}.", "Put @node above a function."
        )
    return [replace(one, spec=replace(one.spec, package=plugin.name)) for one in found]


def package_of(plugin: Plugin) -> str:
    """The full name of the package that a plugin is imported as."""
    return f"{PACKAGE}.{plugin.name.replace('-', '_')}"


def _make_package(name: str, folder: Path) -> None:
    if PACKAGE not in sys.modules:
        top = importlib.machinery.ModuleSpec(PACKAGE, None, is_package=True)
        sys.modules[PACKAGE] = importlib.util.module_from_spec(top)
    initial = folder / "__init__.py"
    spec = (
        importlib.util.spec_from_file_location(name, initial, submodule_search_locations=[str(folder)])
        if initial.is_file()
        else importlib.machinery.ModuleSpec(name, None, is_package=True)
    )
    assert spec is not None
    spec.submodule_search_locations = [str(folder)]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    importlib.invalidate_caches()
    if spec.loader is not None:
        spec.loader.exec_module(module)


def _forget(package: str) -> None:
    for name in [one for one in sys.modules if one == package or one.startswith(f"{package}.")]:
        del sys.modules[name]


def _reason(plugin: Plugin, error: BaseException) -> PluginBroken:
    """The line of the plugin's own code where it happened, since that is where it is mended."""
    own = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).is_relative_to(plugin.folder)]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    if isinstance(error, DeclarationError):
        return PluginBroken(plugin.name, f"{error.where}: {error.what}", error.mend)
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({Path(error.filename).name}, line {error.lineno})"
        return PluginBroken(plugin.name, f"It cannot be read: {error.msg}{place}.", "Correct it, or ask its author.")
    if isinstance(error, ModuleNotFoundError) and error.name:
        return PluginBroken(
            plugin.name,
            f"It imports '{error.name}', which is not there{place}.",
            "Install it, or ask the plugin's author.",
        )
    return PluginBroken(
        plugin.name, f"It cannot be imported: {type(error).__name__}: {error}{place}.", "Ask its author."
    )
