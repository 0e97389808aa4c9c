"""Measurements of a running Whydown. Each is a command, `python -m benchmarks.<name>`, that starts what it needs."""
