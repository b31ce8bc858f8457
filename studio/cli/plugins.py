"""`wirelight plugins` and `wirelight new-plugin`. No code of a plugin runs here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from studio.app.settings import Settings, change_settings, load_settings
from studio.cli import OK
from studio.cli.values import near
from studio.graph.errors import Misuse
from studio.library.places import places
from studio.sdk.new_plugin import create_plugin
from studio.sdk.plugins import Plugin, list_plugins


def list_installed(options: argparse.Namespace) -> int:
    """Print all plugins: enabled or not, and why one cannot be used."""
    settings = _settings()
    found = installed_plugins()
    if options.json:
        print(json.dumps([_plain(one, settings) for one in found], ensure_ascii=False, indent=2))
        return OK
    if not found:
        print(f"No plugins. They go into {places().plugins}; `wirelight new-plugin NAME` makes one to start from.")
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        state = "enabled" if one.name in settings.enabled_plugins else "off"
        print(
            f"{one.name:<{width}}  {state:<7}  {one.version:<8}  {one.broken or one.description or one.title}".rstrip()
        )
    for name in _absent(settings, found):
        print(f"{name}: enabled, but not installed.")
    return OK


def enable(options: argparse.Namespace) -> int:
    """Let a plugin's nodes run, from the next worker on. Raises `Misuse` for one that is not there, `PluginBroken` for one that cannot."""
    settings = _settings()
    found = {one.name: one for one in installed_plugins()}
    plugin = found.get(options.name)
    if plugin is None:
        raise Misuse("There is no such plugin.", where=options.name, mend=near(options.name, found, "Installed are"))
    if plugin.broken is not None:
        raise plugin.broken
    _enable_only(settings, {*settings.enabled_plugins, plugin.name})
    print(f"{plugin.name} is enabled. Its code will run with your rights from the next start on.")
    return OK


def disable(options: argparse.Namespace) -> int:
    """Leave a plugin's nodes out, from the next worker on. Raises `Misuse` for one that is not enabled."""
    settings = _settings()
    if options.name not in settings.enabled_plugins:
        mend = near(options.name, settings.enabled_plugins, "Enabled are")
        raise Misuse("The plugin is not enabled.", where=options.name, mend=mend)
    _enable_only(settings, {*settings.enabled_plugins} - {options.name})
    print(f"{options.name} is off.")
    return OK


def new_plugin(options: argparse.Namespace) -> int:
    """Make a plugin with a node and its test. Raises `Misuse` for a name that cannot be, or is taken, and `WriteFailed`."""
    folder = create_plugin(options.name, options.into.absolute())
    print(folder)
    print(f"Run its test:  python -m pytest {folder}")
    print(f"Use it:        move the folder into {places().plugins}, then `wirelight plugins enable {options.name}`")
    return OK


def _settings() -> Settings:
    return load_settings(places().config).settings


def installed_plugins() -> list[Plugin]:
    """All that lie in the plugin folders or came with a package, by name."""
    return list_plugins([places().plugins, *map(Path, _settings().plugin_folders)])


def _absent(settings: Settings, found: list[Plugin]) -> list[str]:
    return sorted({*settings.enabled_plugins} - {one.name for one in found})


def _enable_only(settings: Settings, names: set[str]) -> None:
    change_settings(places().config, enabled_plugins=tuple(sorted(names)))


def _plain(one: Plugin, settings: Settings) -> dict[str, object]:
    return {
        "name": one.name,
        "version": one.version,
        "enabled": one.name in settings.enabled_plugins,
        "folder": str(one.folder),
        "description": one.description,
        "broken": str(one.broken) if one.broken is not None else "",
    }
