"""What the program adds to the work of its nodes, through its own front door: supervisor, seam, worker, engine, and the way back.

    python tests/benchmarks/engine.py [--nodes N] [--repeat R]

Prints one JSON line. Per case: `uncached_ms_per_node`, a graph that the worker has never seen, sent whole and computed whole;
`recomputed_ms_per_node`, the same graph after a change at its start; `cached_total_ms`, nothing changed; `last_changed_total_ms`, a
change at its end; `messages_kb`, both ways of an uncached run. Times are CPU of both processes, medians; `..._wall_...` are wall. No
small pictures of results are asked for.

`loop_ms_per_node` is the reference, measured in turns with ours: the same functions called by a bare Python loop. ComfyUI cannot be
installed everywhere; `comfyui` repeats its published figures for such graphs (version 0.33, `ImageInvert` of 8 x 8 pixels).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from studio.app.supervisor import Report, Supervisor
from studio.graph.graph import Graph, Node, NodeId, Socket
from studio.protocol.codec import pack
from studio.protocol.messages import Configure, NodeFailed, Ready, RunFinished, RunRefused
from studio.protocol.process import ProcessChannel
from tests.benchmarks.engine_nodes import invert, mix, picture

MODULE: Final = "tests.benchmarks.engine_nodes"
COMFYUI: Final = {
    "uncached_ms_per_node": {"100": 1.1, "1000": 4.6},
    "cached_total_ms": {"1000": 1360},
    "last_changed_total_ms": {"1000": 1490},
    "messages_kb": {"1000": 220_000},
    "deepest_chain": 970,
    "rss_growth_mb": 2204,
}
_CHAINS: Final = 10
_CACHED_RUNS: Final = 20
_AT_ONCE: Final = 5000
"""Nodes of all runs that are measured together."""
_GROWTH_RUNS: Final = 30


class Counting(ProcessChannel):
    """Remembers what it sends."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        self.sent: list[Any] = []
        super().__init__(*arguments)

    def send(self, message: Any) -> None:  # noqa: ANN401
        self.sent.append(message)
        super().send(message)


@dataclass(frozen=True)
class Cost:
    """Seconds."""

    cpu: float
    wall: float


class FrontDoor:
    """The program without its window."""

    def __init__(self, folder: Path) -> None:
        self.heard: list[Report] = []
        self._finished = threading.Event()
        self._ready = threading.Event()
        configure = Configure(out=str(folder / "outputs"), store=str(folder / "results"), catalog="")
        self._channels: list[Counting] = []

        def open_channel() -> ProcessChannel:
            self._channels.append(Counting(configure, [f"--nodes={MODULE}"]))
            return self._channels[-1]

        self.supervisor = Supervisor(open_channel, self._hear)
        self.supervisor.start()
        if not self._ready.wait(60):
            raise SystemExit("The worker did not start.")
        self._us = psutil.Process()
        self._worker = psutil.Process(self._channels[-1].pid)

    def _hear(self, report: Report) -> None:
        self.heard.append(report)
        if isinstance(report, Ready):
            self._ready.set()
        if isinstance(report, (RunFinished, RunRefused)):
            self._finished.set()

    def run(self, *graphs: Graph) -> Cost:
        """The mean cost of a run of each graph, one after another: the system's clock of CPU time is coarse."""
        before, began = self.cpu(), time.perf_counter()
        for graph in graphs:
            self.heard.clear()
            self._channels[-1].sent.clear()
            self._finished.clear()
            self.supervisor.run(graph, previews=False)
            self._finished.wait()
        wall = time.perf_counter() - began
        trouble = [one for one in self.heard if isinstance(one, (NodeFailed, RunRefused))]
        if trouble:
            raise SystemExit(str(trouble[0]))
        return Cost((self.cpu() - before) / len(graphs), wall / len(graphs))

    def cpu(self) -> float:
        """Seconds of both processes, since they began."""
        worker = self._worker.cpu_times()
        return time.process_time() + float(worker.user + worker.system)

    def rss(self) -> int:
        """Bytes of both processes."""
        return int(self._us.memory_info().rss + self._worker.memory_info().rss)

    def kilobytes(self) -> float:
        """What crossed in the last run, both ways."""
        events = [one for one in self.heard if type(one).__module__.startswith("studio.protocol")]
        return (len(pack(self._channels[-1].sent)) + len(pack(events))) / 1000  # type: ignore[arg-type]

    def stop(self) -> None:
        self.supervisor.stop()


Shape = Callable[[int, str, float], Graph]


def chain(count: int, name: str, value: float) -> Graph:
    """One chain."""
    nodes = {NodeId(f"{name}{at}"): Node("bench/Mix", {"b": value} if not at else {}) for at in range(count)}
    links = {Socket(NodeId(f"{name}{at}"), "a"): Socket(NodeId(f"{name}{at - 1}"), "number") for at in range(1, count)}
    return Graph(nodes, links)


def dag(count: int, name: str, value: float) -> Graph:
    """Each node fed by two others, any of those before it."""
    dice = random.Random(count)
    nodes = {NodeId(f"{name}{at}"): Node("bench/Mix", {"b": value} if not at else {}) for at in range(count)}
    links = {}
    for at in range(1, count):
        for input in ("a", "b"):
            source = NodeId(f"{name}{dice.randrange(at)}")
            links[Socket(NodeId(f"{name}{at}"), input)] = Socket(source, "number")
    return Graph(nodes, links)


def pictures(count: int, name: str, value: float) -> Graph:
    """Ten chains of pictures of 8 x 8 pixels, as the reference's figures were taken."""
    nodes, links = {}, {}
    for at in range(count):
        id = NodeId(f"{name}{at}")
        first = at < _CHAINS
        nodes[id] = Node("bench/Picture", {"level": (value + at / 1e4) % 1}) if first else Node("bench/Invert")
        if not first:
            links[Socket(id, "image")] = Socket(NodeId(f"{name}{at - _CHAINS}"), "image")
    return Graph(nodes, links)


SHAPES: Final[dict[str, Shape]] = {"chain": chain, "random": dag, "pictures": pictures}


def loop(graph: Graph) -> Cost:
    """The reference: the same functions, called in the same order by a bare loop."""
    functions: dict[str, Callable[..., Any]] = {"bench/Mix": mix, "bench/Picture": picture, "bench/Invert": invert}
    inputs: dict[NodeId, list[tuple[str, NodeId]]] = {id: [] for id in graph.nodes}
    for end, start in graph.links.items():
        inputs[end.node].append((end.name, start.node))
    calls = [(id, functions[node.type], node.parameters, inputs[id]) for id, node in graph.nodes.items()]
    values: dict[NodeId, Any] = {}
    began, before = time.perf_counter(), time.process_time()
    for id, function, parameters, sources in calls:
        values[id] = function(**parameters, **{name: values[source] for name, source in sources})
    return Cost(time.process_time() - before, time.perf_counter() - began)


def first_changed(graph: Graph) -> Graph:
    """The same graph with other values in the nodes that nothing feeds, so that nothing in it is known."""
    fed = {end.node for end in graph.links}
    nodes = dict(graph.nodes)
    for id in graph.nodes:
        if id not in fed:
            name = "level" if nodes[id].type == "bench/Picture" else "b"
            nodes[id] = replace(nodes[id], parameters={name: fresh()})
    return replace(graph, nodes=nodes)


def last_changed(graph: Graph) -> Graph:
    """The same graph with another last node."""
    id = list(graph.nodes)[-1]
    if graph.nodes[id].type == "bench/Mix":
        links = {end: start for end, start in graph.links.items() if end != Socket(id, "b")}
        nodes = {**graph.nodes, id: replace(graph.nodes[id], parameters={"b": fresh()})}
        return replace(graph, nodes=nodes, links=links if len(links) < len(graph.links) else graph.links)
    source = NodeId("new")
    nodes = {**graph.nodes, source: Node("bench/Picture", {"level": fresh()})}
    return replace(graph, nodes=nodes, links={**graph.links, Socket(id, "image"): Socket(source, "image")})


_dice: Final = random.Random(7)


def fresh() -> float:
    """A value that no node had before, so that no result is known."""
    return _dice.random()


def measure(door: FrontDoor, name: str, shape: Shape, count: int, repeat: int) -> dict[str, Any]:
    """One case."""
    told: dict[str, list[Cost]] = {key: [] for key in ("uncached", "loop", "recomputed", "cached", "last")}
    kilobytes = 0.0
    at_once = max(1, _AT_ONCE // count)
    for turn in range(repeat):
        graphs = [shape(count, f"{name}{turn}x{at}x", fresh()) for at in range(at_once)]
        told["uncached"].append(door.run(*graphs))
        kilobytes = door.kilobytes()
        graph = graphs[-1]
        told["loop"].append(loop(graph))
        told["recomputed"].append(door.run(*[first_changed(graph) for _ in range(at_once)]))
        door.run(graph)
        told["cached"].append(door.run(*[graph] * _CACHED_RUNS))
        told["last"].append(door.run(*[last_changed(graph) for _ in range(_CACHED_RUNS)]))

    def middle(key: str, clock: str, scale: float) -> float:
        return round(statistics.median(getattr(one, clock) for one in told[key]) * scale, 4)

    each = 1000 / count
    return {
        "shape": name,
        "nodes": count,
        "uncached_ms_per_node": middle("uncached", "cpu", each),
        "recomputed_ms_per_node": middle("recomputed", "cpu", each),
        "cached_total_ms": middle("cached", "cpu", 1000),
        "last_changed_total_ms": middle("last", "cpu", 1000),
        "messages_kb": round(kilobytes, 1),
        "uncached_wall_ms_per_node": middle("uncached", "wall", each),
        "cached_wall_total_ms": middle("cached", "wall", 1000),
        "last_changed_wall_total_ms": middle("last", "wall", 1000),
        "loop_ms_per_node": middle("loop", "cpu", each),
    }


def growth(door: FrontDoor) -> float:
    """Megabytes that both processes grow by, over runs of 1,000 pictures that differ each time, after the first few."""
    graph = pictures(1000, "g", 0.0)
    sizes = []
    for _ in range(_GROWTH_RUNS + 3):
        graph = first_changed(graph)
        door.run(graph)
        sizes.append(door.rss())
    return (sizes[-1] - sizes[2]) / 1e6


def deepest(door: FrontDoor, count: int = 100_000) -> int:
    """The longest chain that was run."""
    door.run(chain(count, "deep", 1.0))
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, help="one size only; by default 100, 1,000 and 10,000")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        door = FrontDoor(Path(folder))
        door.run(chain(100, "warm", 0.5))
        grown = growth(door)
        cases = [
            measure(door, name, shape, count, arguments.repeat)
            for count in ([arguments.nodes] if arguments.nodes else [100, 1000, 10_000])
            for name, shape in SHAPES.items()
        ]
        depth = deepest(door)
        door.stop()
    print(json.dumps({"cases": cases, "deepest_chain": depth, "rss_growth_mb": round(grown, 1), "comfyui": COMFYUI}))


if __name__ == "__main__":
    main()
