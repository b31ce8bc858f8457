"""From the start of the process to the first frame, and to a worker that is ready.

The window opens a graph of 100 nodes, offscreen; its reference is a bare PySide6 window with one painted line of text. The
worker is the real one with all built-in nodes; its reference is a process that imports torch and the other packages that the
worker has imported by then, and nothing of ours. Ours and the references take turns; all figures are medians. `*_cpu_s` is the
CPU time of the whole process since it began, interpreter and threads included; `*_wall_s` is what a clock on the wall shows.
Bars: `ratio` 1.7, `worker_ratio` 1.3, `help_cpu_s - pass_cpu_s` 0.15.

    python -m tests.benchmarks.startup [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODES = 100

OUR_WINDOW = """
import json, os, sys, time
from studio.window import main
def painted():
    print(json.dumps([time.process_time(), time.time(), sorted(sys.modules)]), flush=True)
    os._exit(0)
main([sys.argv[1]], on_first_frame=painted)
"""

BARE_WINDOW = """
import json, os, sys, time
from PySide6.QtCore import QTimer
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QApplication, QWidget
def painted():
    print(json.dumps([time.process_time(), time.time(), []]), flush=True)
    os._exit(0)
class Window(QWidget):
    def paintEvent(self, event):
        painter = QPainter(self)
        painter.drawText(20, 20, "Wirelight")
        painter.end()
        QTimer.singleShot(0, painted)
application = QApplication([])
window = Window()
window.resize(1280, 800)
window.show()
application.exec()
"""

LOADED = """
import sys
from studio.sdk.registry import load_builtin
from studio.worker import devices, jobs, loading, reports
load_builtin()
devices.listed()
print(*sys.modules)
"""
"""What a worker imports until it is ready."""

IMPORTS = """
import importlib, sys, time
for name in sys.argv[1].split():
    importlib.import_module(name)
print(time.process_time())
"""

FORBIDDEN = {"torch", "diffusers", "transformers", "numpy", "pydantic", "asyncio", "cv2", "nodes"}
"""What the window's process must not have imported when the first frame is there."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ.update(WIRELIGHT_HOME=str(home), QT_QPA_PLATFORM="offscreen", PYTHONPATH=str(ROOT))
        # As an installed program: everything is compiled. The first start of all is thrown away.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(home / "compiled")
        worker_ready_cpu_s(home)  # also leaves the catalog that a second start of the program finds
        graph = write_graph(home / "graph.json")
        for program in (OUR_WINDOW, BARE_WINDOW):
            first_frame(program, graph)
        imports = third_party()
        imports_cpu_s(imports)
        figures = in_turns(
            rounds,
            window=lambda: first_frame(OUR_WINDOW, graph),
            bare=lambda: first_frame(BARE_WINDOW, graph),
            help=lambda: (child_cpu_s("-m", "studio", "--help"), 0.0),
            nothing=lambda: (child_cpu_s("-c", "pass"), 0.0),
        )
        slow = in_turns(
            max(2, rounds // 2),
            worker=lambda: worker_ready_cpu_s(home),
            imports=lambda: (imports_cpu_s(imports), 0.0),
        )
    cpu = {name: statistics.median(one[0] for one in several) for name, several in {**figures, **slow}.items()}
    wall = {name: statistics.median(one[1] for one in several) for name, several in {**figures, **slow}.items()}
    print(
        json.dumps(
            {
                "first_frame_cpu_s": round(cpu["window"], 4),
                "bare_qt_cpu_s": round(cpu["bare"], 4),
                "ratio": round(cpu["window"] / cpu["bare"], 3),
                "first_frame_wall_s": round(wall["window"], 4),
                "bare_qt_wall_s": round(wall["bare"], 4),
                "worker_ready_cpu_s": round(cpu["worker"], 3),
                "imports_cpu_s": round(cpu["imports"], 3),
                "worker_ratio": round(cpu["worker"] / cpu["imports"], 3),
                "worker_ready_wall_s": round(wall["worker"], 3),
                "help_cpu_s": round(cpu["help"], 4),
                "pass_cpu_s": round(cpu["nothing"], 4),
                "imports": imports,
                "nodes": NODES,
                "rounds": rounds,
            }
        )
    )


def in_turns(rounds: int, **measures: Callable[[], tuple[float, float]]) -> dict[str, list[tuple[float, float]]]:
    """CPU and wall seconds of each measure, once a round."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
    return taken


def first_frame(program: str, graph: Path) -> tuple[float, float]:
    """CPU and wall seconds from the start of a process to its first painted frame.

    The process is ended there and then, which leaves a session to recover. That is put away, so that the next start is an ordinary one.
    """
    shutil.rmtree(Path(os.environ["WIRELIGHT_HOME"]) / "data" / "sessions", ignore_errors=True)
    began = time.time()
    done = subprocess.run([sys.executable, "-c", program, str(graph)], capture_output=True, text=True, check=True)
    cpu, at, modules = json.loads(done.stdout.splitlines()[-1])
    wrong = FORBIDDEN & set(modules)
    if wrong:
        raise SystemExit(f"imported before the first frame: {', '.join(sorted(wrong))}")
    return cpu, at - began


def worker_ready_cpu_s(home: Path) -> tuple[float, float]:
    """CPU and wall seconds of a worker with all built-in nodes, from its start to `Ready`."""
    import psutil

    from studio.app.settings import Settings
    from studio.app.worker_setup import configure
    from studio.library.places import places
    from studio.protocol.messages import CatalogSent
    from studio.protocol.process import ProcessChannel

    began = time.monotonic()
    channel = ProcessChannel(configure(Settings(), places()))
    try:
        while not isinstance(channel.receive(60.0), CatalogSent):
            pass
        times = psutil.Process(channel.pid).cpu_times()
        return times.user + times.system, time.monotonic() - began
    finally:
        channel.kill()
        channel.close()


def third_party() -> list[str]:
    """Other people's packages that a worker has imported when it is ready: torch, and what is needed of the rest."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    tops = dict.fromkeys(name.partition(".")[0] for name in done.stdout.split())
    ours = {"studio", "nodes", "__main__", "__mp_main__"}
    return [name for name in tops if name not in ours | sys.stdlib_module_names and not name.startswith("_")]


def imports_cpu_s(packages: list[str]) -> float:
    """CPU seconds of a process that imports these packages."""
    command = [sys.executable, "-c", IMPORTS, " ".join(packages)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def child_cpu_s(*arguments: str) -> float:
    """CPU seconds of a whole Python process."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def write_graph(path: Path) -> Path:
    """Rows of picture filters, some with values of their own."""
    from studio.files.workflow_file import write_workflow
    from studio.graph.graph import Graph, Node, NodeId, Socket
    from studio.graph.workflow import Workflow

    types = ("image/Solid", "image/Blur", "image/Adjust", "image/Invert", "image/Sharpen")
    nodes, links = {}, {}
    for number in range(NODES):
        row, column = divmod(number, len(types))
        id = NodeId(f"node{number}")
        nodes[id] = Node(types[column], {"radius": 2.0} if column == 1 else {}, (column * 300.0, row * 260.0))
        if column:
            links[Socket(id, "image")] = Socket(NodeId(f"node{number - 1}"), "image")
    write_workflow(Workflow(Graph(nodes, links), "A hundred nodes"), path)
    return path


if __name__ == "__main__":
    main()
