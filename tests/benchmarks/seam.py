"""The seam: from a sampler's step in the worker to pixels in the window's process, and messages a second.

The reference is `multiprocessing.Pipe` with pickled numpy arrays and pickled messages, as most programs would do it. Ours and the
reference take turns. Bar: 15 ms.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event as Flag

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
STEPS = 20
PAUSE = 0.05
MESSAGES = 50_000


def reference_worker(line: Connection) -> None:
    """Answers `preview` and `messages` until `stop`."""
    from studio.protocol.messages import RunId, Stepped
    from tests.benchmarks.seam_nodes import pixels, state

    while (asked := line.recv()) != "stop":
        if asked == "preview":
            for index in range(1, STEPS + 1):
                time.sleep(PAUSE)
                done = state(index)
                began = time.monotonic()
                line.send((began, pixels(done)))
        else:
            for index in range(1, MESSAGES + 1):
                line.send(Stepped(RunId("run"), "chatter", index, MESSAGES, 1.0))  # type: ignore[arg-type]


class Ours:
    """A supervisor with a real worker."""

    def __init__(self, folder: Path) -> None:
        from studio.app.supervisor import Supervisor
        from studio.protocol.messages import Configure
        from studio.protocol.process import ProcessChannel

        configure = Configure(out=str(folder), disk=0, store=str(folder))
        self.supervisor = Supervisor(
            lambda: ProcessChannel(configure, ["--nodes=tests.benchmarks.seam_nodes"]), self._hear
        )
        self._round = 0
        self._over = Flag()
        self._delays: list[float] = []
        self._steps = 0
        self.supervisor.start()

    def _hear(self, report: object) -> None:
        from studio.protocol.messages import RunFinished, Stepped

        if isinstance(report, Stepped):
            self._steps += 1
            if report.preview is not None and self.supervisor.picture(report.preview) is not None:
                self._delays.append(time.monotonic() - report.sigma)
        elif isinstance(report, RunFinished):
            self._over.set()

    def _run(self, type: str, **parameters: float) -> None:
        from studio.graph.graph import Graph, Node, NodeId

        self._round += 1
        self._over.clear()
        self._delays, self._steps = [], 0
        self.supervisor.run(Graph({NodeId("it"): Node(type, {**parameters, "run": self._round})}))
        self._over.wait()

    def preview(self) -> list[float]:
        """Seconds from each step to its pixels."""
        self._run("seam/Preview", steps=STEPS, pause=PAUSE)
        return self._delays

    def messages(self) -> float:
        """A second."""
        began = time.perf_counter()
        self._run("seam/Messages", messages=MESSAGES)
        return self._steps / (time.perf_counter() - began)


class Reference:
    """A process at the other end of a pipe."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, other = context.Pipe()
        self._process = context.Process(target=reference_worker, args=(other,), daemon=True)
        self._process.start()

    def preview(self) -> list[float]:
        """Seconds from each step to its pixels."""
        self._line.send("preview")
        delays = []
        for _ in range(STEPS):
            began, array = self._line.recv()
            array.tobytes()
            delays.append(time.monotonic() - began)
        return delays

    def messages(self) -> float:
        """A second."""
        began = time.perf_counter()
        self._line.send("messages")
        for _ in range(MESSAGES):
            self._line.recv()
        return MESSAGES / (time.perf_counter() - began)

    def stop(self) -> None:
        self._line.send("stop")
        self._process.join()


def main() -> None:
    ours_preview, reference_preview, ours_messages, reference_messages = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        ours, reference = Ours(Path(folder)), Reference()
        for turn in range(ROUNDS + 1):
            measured = (ours.preview(), reference.preview(), ours.messages(), reference.messages())
            if turn:  # the first warms up
                ours_preview += measured[0]
                reference_preview += measured[1]
                ours_messages.append(measured[2])
                reference_messages.append(measured[3])
        ours.supervisor.stop()
        reference.stop()
    print(
        json.dumps(
            {
                "benchmark": "seam",
                "preview_1024_ms": round_ms(statistics.median(ours_preview)),
                "preview_1024_ms_p95": round_ms(statistics.quantiles(ours_preview, n=20)[-1]),
                "preview_1024_shown": len(ours_preview) / (ROUNDS * STEPS),
                "reference_preview_1024_ms": round_ms(statistics.median(reference_preview)),
                "messages_per_s": round(statistics.median(ours_messages)),
                "reference_messages_per_s": round(statistics.median(reference_messages)),
            }
        )
    )


def round_ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ["PYTHONPATH"] = os.pathsep.join(one for one in (str(ROOT), os.environ.get("PYTHONPATH", "")) if one)
    main()
