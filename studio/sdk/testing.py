"""A test kit for node authors.

def test_invert() -> None:
    result = run_node(invert, image=Image.of([[0.0, 1.0]]))
    assert result.pixels[0, 0, 0, 0] == 1.0
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.graph.errors import Cancelled, Misuse
from studio.sdk.calling import call_node
from studio.sdk.context import Context, PreviewMaker, Steps, activate, running
from studio.sdk.definition import NodeDefinition, definition_of
from studio.sdk.plugin_loading import import_plugin
from studio.sdk.plugins import read_plugin


def run_node(function: object, **inputs: object) -> Any:  # noqa: ANN401 - whatever the node gives
    """Run one node as the program would, with every check of its inputs and outputs, and none of its caches.

    `function`: what `@node` decorates, or its definition. Inputs by name; parameters left out have their default. Lazy inputs that the node
    does not ask for are withheld. Returns the output; a tuple in the declared order where there are several; None where there is none.
    Raises what the program would show: `ValueRefused`, `UnknownSocket`, or the function's own error.
    """
    definition = definition_of(function)
    spec = definition.spec
    if definition.needs is not None:
        eager = {one.name: inputs.get(one.name, one.default) for one in spec.inputs if not one.lazy}
        wanted = definition.needs(**eager)
        lazy = {one.name for one in spec.inputs if one.lazy}
        inputs = {name: value for name, value in inputs.items() if name not in lazy or name in wanted}
    outputs = call_node(definition, inputs, node=spec.type.rpartition("/")[2])
    values = tuple(outputs.values())
    return values[0] if len(values) == 1 else (values or None)


def load_plugin(folder: Path) -> dict[str, NodeDefinition]:
    """The nodes of the plugin in a folder, by type, imported as the program imports them. Raises `PluginBroken`."""
    return {one.spec.type: one for one in import_plugin(read_plugin(folder.resolve()))}


class Recorder(Context):
    """A context that remembers what a node reported. `with activate(Recorder(out=tmp_path)) as run: ...`"""

    def __init__(
        self,
        *,
        out: Path | None = None,
        cancel_after: int | None = None,
        tight_memory: bool = False,
        step_store: Steps | None = None,
    ) -> None:
        super().__init__(out=out, node="tested", tight_memory=tight_memory, step_store=step_store)
        self.steps: list[tuple[int, int, float]] = []
        self.previews: list[Any] = []
        self.done: list[tuple[float, float]] = []
        self.written: list[Path] = []
        self.lines: list[str] = []
        self._cancel_after = cancel_after

    def step(self, index: int, of: int, sigma: float = 0.0, preview: PreviewMaker | None = None) -> None:
        self.steps.append((index, of, sigma))
        if preview is not None:
            self.previews.append(preview())
        super().step(index, of, sigma, preview)

    def progress(self, done: float, total: float) -> None:
        self.done.append((done, total))
        super().progress(done, total)

    def checkpoint(self) -> None:
        if self._cancel_after is not None and len(self.steps) >= self._cancel_after:
            raise Cancelled

    def wrote(self, path: Path, media: str = "image") -> None:
        if not path.is_file():
            raise Misuse(f"The node says it wrote {path.name}, which is not there.")
        self.written.append(path)

    def log(self, text: str) -> None:
        self.lines.append(text)


__all__ = ["Recorder", "activate", "load_plugin", "run_node", "running"]
