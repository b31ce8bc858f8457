"""The document: a graph as a value, its types, edits and checks. Standard library only."""
