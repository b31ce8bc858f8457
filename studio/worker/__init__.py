"""The process that owns torch and all node code."""
