"""Runs a graph: content keys, plan, cache, executor, residency, events."""
