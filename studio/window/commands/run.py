"""The Run menu."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from studio.graph.errors import WirelightError
from studio.graph.graph import NodeId

if TYPE_CHECKING:
    from studio.window.main_window import MainWindow


class RunCommands:
    """Runs start, pause and end."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window

    def run(self) -> None:
        self._start(())

    def run_to_here(self) -> None:
        self._start(self._window.scene.selected_nodes)

    def _start(self, wanted: Collection[NodeId]) -> None:
        window = self._window
        window.editing.close()
        if window.queue is None:
            return
        document = window.document
        workflow = replace(document.workflow, title=document.title)
        try:
            window.queue.add(workflow, tuple(wanted), document=document.id)
        except WirelightError as error:
            window.complain(error)

    def cancel(self) -> None:
        if self._window.queue is not None:
            self._window.queue.cancel()

    def cancel_all(self) -> None:
        if self._window.queue is not None:
            self._window.queue.cancel_all()

    def pause(self) -> None:
        if self._window.queue is not None:
            self._window.queue.pause()

    def resume(self) -> None:
        if self._window.queue is not None:
            self._window.queue.resume()

    def restart_worker(self) -> None:
        if self._window.supervisor is not None:
            self._window.supervisor.restart()
