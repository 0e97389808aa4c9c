"""The workers: they gather what a human would, say what it means, and store the diagnosis."""
