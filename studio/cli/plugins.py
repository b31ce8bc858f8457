"""`wirelight plugins` and `wirelight new-plugin`. No code of a plugin runs here."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Final

from studio.app.settings import Settings, change_settings, load_settings
from studio.cli import OK
from studio.cli.values import near
from studio.files.atomic import write_failed
from studio.graph.errors import Misuse
from studio.library.places import places
from studio.resources import resource
from studio.sdk.plugins import Plugin, list_plugins

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_STAND_IN: Final = "my-plugin"
"""What the template calls itself, in file names and texts; `_` for `-` in Python's names."""


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
    """Make a plugin with a node and its test from the template. Raises `Misuse` for a name that cannot be, or is taken."""
    name: str = options.name
    if not _NAME.fullmatch(name):
        raise Misuse(f"'{name}' cannot be a plugin's name.", mend="Use small letters, digits and '-', as in my-nodes.")
    folder = options.into.absolute() / name
    if folder.exists():
        raise Misuse("There is something of that name already.", where=str(folder), mend="Choose another name.")
    try:
        _copy(resource("plugin-template"), folder, name)
    except OSError as error:
        raise write_failed(folder, error) from error
    print(f"{folder}")
    print(f"Run its test:  python -m pytest {folder}")
    print(f"Use it:        move the folder into {places().plugins}, then `wirelight plugins enable {name}`")
    return OK


def _copy(template: Path, folder: Path, name: str) -> None:
    words = {_STAND_IN: name, _STAND_IN.replace("-", "_"): name.replace("-", "_")}

    def renamed(text: str) -> str:
        for old, new in words.items():
            text = text.replace(old, new)
        return text

    for source in sorted(template.rglob("*")):
        if source.is_dir() or "__pycache__" in source.parts:
            continue
        target = folder / renamed(str(source.relative_to(template)))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(renamed(source.read_text("utf-8")), "utf-8")
        shutil.copymode(source, target)


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
