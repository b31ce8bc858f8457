"""A new plugin to start from: a small one that runs, and passes its own test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from studio.graph.errors import Misuse, WriteFailed
from studio.resources import resource
from studio.sdk.plugins import is_plugin_name

_NAME: Final = "my-plugin"
_TITLE: Final = "My plugin"


def create_plugin(name: str, folder: Path) -> Path:
    """Make the plugin `name` in `folder/name`, and return that path.

    Raises `Misuse` for a name that a plugin cannot have or that is taken there, and `WriteFailed`.
    """
    if not is_plugin_name(name):
        raise Misuse(f"'{name}' cannot name a plugin.", mend="Use small letters, digits and '-', such as film-grain.")
    target = folder / name
    if target.exists():
        raise Misuse(f"There is a '{target}' already.", mend="Choose another name, or another folder.")
    template = resource("plugin-template")
    title = name.replace("-", " ").capitalize()
    try:
        target.mkdir(parents=True)
        for source in sorted(template.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                text = source.read_text("utf-8").replace(_NAME, name).replace(_TITLE, title)
                made = target / source.relative_to(template)
                made.parent.mkdir(parents=True, exist_ok=True)
                made.write_text(text, "utf-8", newline="\n")
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise WriteFailed(
            target, f"The plugin cannot be written: {error.strerror or error}.", mend="Choose another folder."
        ) from error
    return target
