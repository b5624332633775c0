"""From the outputs of a network to a table."""

LOWEST_PROBABILITY = 0.1
"""Of a detection from which a threshold is chosen."""
THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""From which that of a model is chosen."""
PASS_PIXELS: dict[str, int] = {"cpu": 2**16, "cuda": 2**22}
"""Pixels that go through a network at once, by the kind of device."""
