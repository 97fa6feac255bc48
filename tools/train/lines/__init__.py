"""Seeded generator of sensor and machine text, one module per noun (see ../README.md)."""
