"""How PyTorch's threads on a CPU wait for each other."""

import os

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
"""A thread spins for some microseconds, then it sleeps. 2000 pictures on two cores: 64 s so, 77 s without spinning, 92 s
with one thread. Threads that spin on and on take the core that others need: beside another program that was 3 to 15 times
slower; this, in a short run beside one, took 7.6 s in place of 7.2."""


def wait_briefly() -> None:
    """Choose so, where the user's environment says nothing else. OpenMP reads it when PyTorch is first imported."""
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
