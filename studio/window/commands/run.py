"""The Run menu."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from studio.graph.errors import WirelightError
from studio.graph.graph import NodeId

if TYPE_CHECKING:
    from studio.window.desk import Desk


class RunCommands:
    """Runs start, pause and end."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def run(self) -> None:
        self._start(())

    def run_to_here(self) -> None:
        self._start([self._desk.path_to(node) for node in self._desk.scene.selected_nodes])

    def _start(self, wanted: Collection[NodeId]) -> None:
        desk = self._desk
        desk.editing.close()
        desk.notices.withdraw("run")
        if desk.queue is None:
            return
        document = desk.document
        workflow = replace(document.workflow, title=document.title)
        try:
            desk.queue.add(workflow, tuple(wanted), document=document.id)
        except WirelightError as error:
            desk.complain(error)

    def cancel(self) -> None:
        if self._desk.queue is not None:
            self._desk.queue.cancel()

    def cancel_all(self) -> None:
        if self._desk.queue is not None:
            self._desk.queue.cancel_all()

    def pause(self) -> None:
        if self._desk.queue is not None:
            self._desk.queue.pause()

    def resume(self) -> None:
        if self._desk.queue is not None:
            self._desk.queue.resume()

    def restart_worker(self) -> None:
        if self._desk.supervisor is not None:
            self._desk.supervisor.restart()
