"""The cases that tests and benchmarks share, and their inputs, which a seed determines."""

from collections.abc import Sequence

from .operation import Answer, Case, Inputs
from .ops import OPERATIONS
from .ops.gaussians import DRAWING

__all__ = [
    "OPS",
    "OPS_OF_SIGMA",
    "TIMED_POINTS",
    "TIMED_SIGMAS",
    "Answer",
    "Case",
    "Inputs",
    "edge_cases",
    "make_inputs",
    "timed_cases",
]

OPS = tuple(OPERATIONS)
OPS_OF_SIGMA = DRAWING
"""Those whose time depends on sigma: the others need not be timed again for another."""
TIMED_POINTS = {"cpu": (350, 1000, 10_000), "cuda": (350, 1000, 10_000, 100_000, 1_000_000)}
TIMED_SIGMAS = (1.41, 4.0, 10.0)


def timed_cases(
    points: Sequence[int], images: int, size: int, sigma_px: float, precision: str, ops: Sequence[str] = OPS
) -> list[Case]:
    """The cases of a benchmark: every operation at every number of points that it distinguishes."""
    return [case for op in ops for case in OPERATIONS[op].timed(points, images, size, sigma_px, precision)]


def edge_cases(precision: str = "ieee") -> list[Case]:
    """Small inputs at the limits of an operation's domain; every backend must agree with the oracle."""
    return [case for operation in OPERATIONS.values() for case in operation.edges(precision)]


def make_inputs(case: Case, seed: int = 0) -> Inputs:
    """Float64 inputs on the CPU with values that are exact in float32, so that every backend has the same numbers."""
    return OPERATIONS[case.op].make_inputs(case, seed)
