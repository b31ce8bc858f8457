"""The editors of values: in a node, where one opens on a click, and in the inspector, where all are open."""
