"""The values that travel along wires. Text, whole numbers, numbers, on/off and choices are plain Python values."""
