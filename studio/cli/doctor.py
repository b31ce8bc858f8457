"""`wirelight doctor`: what this machine offers, what is wrong with it, and what to do."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from studio import __version__
from studio.app.settings import load_settings
from studio.cli import FAILED, OK
from studio.cli.inputs import templates
from studio.cli.plugins import installed_plugins
from studio.cli.window import has_display
from studio.cli.worker import worker
from studio.files.workflow_file import read_workflow
from studio.graph.errors import WirelightError
from studio.library.models import find_models
from studio.library.places import places
from studio.protocol.messages import CatalogSent, Ready

_LIBRARIES: Final = ("PySide6-Essentials", "torch", "diffusers", "transformers", "safetensors", "numpy", "pillow")
_LITTLE_DISK: Final = 5 * 2**30
_LITTLE_MEMORY: Final = 4 * 2**30
_MOST_MODELS: Final = 8
_QT_TIME: Final = 30.0
_ASK_QT: Final = "from PySide6.QtGui import QGuiApplication; print(QGuiApplication([]).platformName())"


@dataclass(slots=True)
class Report:
    """What was found. `broken` keeps the program from working, `notes` are worth knowing; each is a sentence with its mend."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, section: str, **facts: Any) -> None:  # noqa: ANN401 - plain JSON values of several types
        self.facts.setdefault(section, {}).update(facts)


def doctor(options: argparse.Namespace) -> int:
    """Look at everything, and print it. Exit status 1 where something is broken."""
    report = Report()
    parts: tuple[Callable[[Report], None], ...] = (
        _versions,
        _memory,
        _folders,
        _models,
        _plugins,
        _window,
        _templates,
        _worker,
    )
    for part in parts:
        part(report)
    if options.json:
        print(
            json.dumps({**report.facts, "broken": report.broken, "notes": report.notes}, ensure_ascii=False, indent=2)
        )
    else:
        _print(report)
    return FAILED if report.broken else OK


def _print(report: Report) -> None:
    for section, facts in report.facts.items():
        print(section)
        width = max(len(name) for name in facts)
        for name, fact in facts.items():
            print(f"  {name:<{width}}  {fact}")
    for title, sentences in (("Broken", report.broken), ("Worth knowing", report.notes)):
        if sentences:
            print(f"\n{title}")
            for sentence in sentences:
                print(f"  {sentence}")
    if not report.broken:
        print("\nEverything that Wirelight needs is there.")


def _versions(report: Report) -> None:
    versions: dict[str, str] = {}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "missing"
            report.broken.append(f"{library} is not installed. Install Wirelight again.")
    report.add(
        "Versions", Wirelight=__version__, Python=platform.python_version(), System=platform.platform(), **versions
    )
    if sys.version_info[:2] == (3, 11) and versions["PySide6-Essentials"].startswith("6.12.0"):
        report.broken.append(
            "PySide6 6.12.0 on Python 3.11 makes the window's process abort after a while. "
            "Install PySide6-Essentials below 6.12, or use a later Python."
        )


def _memory(report: Report) -> None:
    import psutil

    memory = psutil.virtual_memory()
    report.add("Machine", processors=os.cpu_count(), memory=_gib(memory.total), free=_gib(memory.available))
    if memory.available < _LITTLE_MEMORY:
        report.notes.append(
            f"Only {_gib(memory.available)} of memory are free. Large models will not load; close other programs."
        )


def _folders(report: Report) -> None:
    here = places()
    loaded = load_settings(here.config)
    if loaded.message:
        report.broken.append(loaded.message)
    outputs = Path(loaded.settings.outputs).expanduser() if loaded.settings.outputs else here.outputs
    for name, folder in (("settings", here.config), ("cache", here.cache), ("data", here.data), ("outputs", outputs)):
        there = _nearest(folder)
        free = shutil.disk_usage(there).free
        report.add("Folders", **{name: f"{folder} ({_gib(free)} free)"})
        if not os.access(there, os.W_OK):
            report.broken.append(
                f"{folder} cannot be written. Change its permissions, or set WIRELIGHT_HOME to another folder."
            )
        elif free < _LITTLE_DISK:
            report.notes.append(f"Only {_gib(free)} are free for {folder}. Make room before you load large models.")
    for number, folder in enumerate(here.models, start=1):
        report.add("Folders", **{f"models {number}": f"{folder}{'' if folder.is_dir() else ' (not there)'}"})


def _models(report: Report) -> None:
    found = find_models()
    for kind in sorted({model.kind for model in found}):
        names = [f"{model.name} (starter)" if model.starter else model.name for model in found if model.kind == kind]
        more = f" and {len(names) - _MOST_MODELS} more" if len(names) > _MOST_MODELS else ""
        report.add("Models", **{kind: ", ".join(names[:_MOST_MODELS]) + more})
    if not any(model.starter for model in found):
        report.broken.append("The starter models are missing. Install Wirelight again.")


def _plugins(report: Report) -> None:
    enabled = load_settings(places().config).settings.enabled_plugins
    found = installed_plugins()
    for plugin in found:
        state = "enabled" if plugin.name in enabled else "off"
        report.add("Plugins", **{plugin.name: f"{plugin.version} ({state})"})
        if plugin.broken is not None and plugin.name in enabled:
            report.broken.append(str(plugin.broken))
    for name in sorted({*enabled} - {plugin.name for plugin in found}):
        report.broken.append(
            f"The plugin {name} is enabled, but not installed. Install it, or `wirelight plugins disable {name}`."
        )


def _window(report: Report) -> None:
    wanted = os.environ.get("QT_QPA_PLATFORM", "")
    shown = has_display()
    report.add("Window", display="yes" if shown else "none", QT_QPA_PLATFORM=wanted or "not set")
    environment = dict(os.environ) if shown else {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK_QT],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_QT_TIME,
            check=False,
        )
    except subprocess.TimeoutExpired:
        report.broken.append(f"Qt did not start within {_QT_TIME:.0f} seconds. Check that the display answers.")
        return
    if asked.returncode == 0:
        report.add("Window", platform=asked.stdout.strip())
    else:
        words = " ".join(asked.stderr.split())[-300:]
        mend = "Install libxcb-cursor0." if "xcb-cursor" in asked.stderr else "Install the libraries that it names."
        report.broken.append(f"Qt does not start: {words} {mend}")
    if not shown:
        report.notes.append("There is no display, so no window can open. `wirelight run` works without one.")


def _templates(report: Report) -> None:
    names = []
    for path in templates():
        try:
            read_workflow(path)
        except WirelightError as error:
            report.broken.append(f"{error} Install Wirelight again.")
        else:
            names.append(path.stem)
    if not names:
        report.broken.append("The templates are missing. Install Wirelight again.")
    report.add("Templates", names=", ".join(names))


def _worker(report: Report) -> None:
    """Start a worker for real: nothing else tells whether torch, the nodes and the devices work together."""
    began = time.monotonic()
    with worker() as one:
        try:
            ready = one.wait_for(Ready)
            sent = one.wait_for(CatalogSent)
        except WirelightError as error:
            report.broken.append(f"The worker does not start. {error}")
            return
    report.add("Worker", start=f"{time.monotonic() - began:.1f} s", nodes=len(sent.catalog.specs))
    for device in ready.devices:
        memory = f" ({_gib(device.memory_total)})" if device.memory_total is not None else ""
        report.add("Worker", **{device.name: f"{device.title}{memory}"})
    if not any(device.name != "cpu" for device in ready.devices):
        report.notes.append(
            "No GPU was found: models run on the processor, slowly. Install the driver of your GPU, if you have one."
        )
    for plugin, why in sent.broken:
        if not any(plugin in sentence for sentence in report.broken):
            report.broken.append(f"The plugin {plugin} was skipped: {why}")


def _nearest(folder: Path) -> Path:
    """The folder, or the first one above that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
