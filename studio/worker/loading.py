"""The nodes, the devices and the engine of a worker. Whatever takes long to import is imported by what is called here."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from studio.engine.devices import Devices, PlainDevices
from studio.engine.engine import Engine
from studio.engine.step_store import DEFAULT_LIMIT as STEPS_LIMIT
from studio.engine.step_store import StepStore
from studio.engine.store import DEFAULT_LIMIT, Store
from studio.graph.errors import Misuse
from studio.library.places import places
from studio.protocol.catalog_file import read_catalog, write_catalog
from studio.protocol.messages import CatalogSent, Configure, Device
from studio.sdk.registry import Registry, definitions_in, load_builtin
from studio.worker.computer import computer

_RESULTS: Final = "results"
_STEPS: Final = "steps"
_SHARE: Final = 4
"""A quarter of the computer's memory may hold results, where the user set no limit."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a worker works with. `device` is where models run, `out` where outputs go that name no folder."""

    engine: Engine
    catalog: CatalogSent
    devices: tuple[Device, ...]
    device: str
    out: Path
    with_torch: bool


def load(configure: Configure, modules: Sequence[str]) -> Loaded:
    """Everything, as the user set it. Raises `Misuse` for a device or limit that cannot be.

    `modules`: node modules to take instead of those that come with the program; torch is loaded only if they do it.
    """
    limits = (
        ("memory for results", configure.memory),
        ("disk for results", configure.disk),
        ("disk for steps", configure.steps),
    )
    for name, limit in limits:
        if limit is not None and limit < 0:
            raise Misuse(f"{limit} bytes of {name} are not possible.", mend="Use 0 to keep none.")
    registry = _chosen(modules) if modules else load_builtin()
    broken: tuple[tuple[str, str], ...] = ()
    if configure.plugins:
        from studio.sdk.plugin_loading import load_plugins

        failures = load_plugins(registry, configure.plugins, [Path(one) for one in configure.plugin_folders])
        broken = tuple((one.plugin, str(one)) for one in failures)
    found = CatalogSent(registry.catalog(), broken)
    if configure.catalog:
        _keep(Path(configure.catalog), found)
    listed, device, devices = _devices(configure.device, with_torch=not modules)
    folder = Path(configure.store) if configure.store else places().cache / _RESULTS
    disk = DEFAULT_LIMIT if configure.disk is None else configure.disk
    store = Store(folder, disk) if disk else None
    room = STEPS_LIMIT if configure.steps is None else configure.steps
    steps = StepStore(folder / _STEPS, room) if disk and room else None
    memory = listed[-1].memory_total if configure.memory is None else configure.memory
    engine = Engine(
        registry,
        store,
        devices=devices,
        steps=steps,
        memory=(memory or 0) // _SHARE if configure.memory is None else configure.memory,
    )
    return Loaded(engine, found, listed, device, places().outputs, with_torch=not modules)


def _chosen(modules: Sequence[str]) -> Registry:
    registry = Registry()
    for name in modules:
        for definition in definitions_in(importlib.import_module(name)):
            registry.add(definition)
    return registry


def _keep(file: Path, found: CatalogSent) -> None:
    if read_catalog(file) != found and not write_catalog(file, found):
        logging.getLogger(__name__).warning("%s cannot be written: the next start shows its nodes later.", file)


def _devices(name: str, *, with_torch: bool) -> tuple[tuple[Device, ...], str, Devices]:
    if not with_torch:
        return computer(), "cpu", PlainDevices()
    from studio.worker.devices import TorchDevices, chosen, listed

    return listed(), chosen(name), TorchDevices()
