"""Runs a graph: content keys, plan, cache, executor, residency, events."""

from studio.engine.engine import Engine, RunOptions
from studio.engine.events import Report, RunState, Silent
from studio.engine.store import Store

__all__ = ["Engine", "Report", "RunOptions", "RunState", "Silent", "Store"]
