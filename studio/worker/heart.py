"""The worker's heartbeat: a thread that runs as long as no native code keeps all others from running."""

from __future__ import annotations

import threading
import time
from typing import Final

import psutil

from studio.protocol.messages import Heartbeat
from studio.protocol.pictures import PictureMemory
from studio.worker.now import Now
from studio.worker.outbox import Outbox

_PERIOD: Final = 1.0


def beat(outbox: Outbox, now: Now, pictures: PictureMemory) -> None:
    """Send a heartbeat every second, for as long as the process lives."""
    born = time.monotonic()
    process = psutil.Process()

    def work() -> None:
        while True:
            memory = process.memory_info().rss
            outbox.put(Heartbeat(time.monotonic() - born, memory, now.run, now.node, now.silent))
            pictures.tidy()
            time.sleep(_PERIOD)

    threading.Thread(target=work, name="heart", daemon=True).start()
