"""What a node author imports."""
