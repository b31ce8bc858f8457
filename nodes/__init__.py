"""The built-in nodes, a file a subject."""
