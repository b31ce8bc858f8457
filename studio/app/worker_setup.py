"""From the artist's settings to the first message that a worker gets."""

from __future__ import annotations

from studio.app.catalog import CATALOG_FILE
from studio.app.settings import Settings
from studio.library.places import Places
from studio.protocol.messages import Configure

_GIB = 2**30


def configure(settings: Settings, places: Places, *, device: str = "", out: str = "") -> Configure:
    """How a worker shall work. `device` and `out` go before the settings where they are given."""
    return Configure(
        device=device or settings.device,
        out=out or settings.outputs,
        memory=round(settings.ram_memory * _GIB) if settings.ram_memory is not None else None,
        disk=round(settings.disk_cache * _GIB),
        steps=round(settings.disk_steps * _GIB),
        catalog=str(places.cache / CATALOG_FILE),
        plugins=settings.enabled_plugins,
        plugin_folders=(str(places.plugins), *settings.plugin_folders),
    )
