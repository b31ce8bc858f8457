"""Nodes, wires and frames on screen: painted items that follow the document and hold no truth of their own."""
