"""Model families, one module each. A module with a `FAMILY` is found by being here; nothing else names it."""
