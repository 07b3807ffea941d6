"""The bytes: where they lie, how they get there, and that they never change. Knows nothing of rows or rules."""
