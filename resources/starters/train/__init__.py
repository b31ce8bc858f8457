"""Trains the starter models from procedurally drawn data. See README.md."""
