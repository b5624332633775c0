"""The operations that are measured, in a file for each family; the harness itself is independent of them.

A new family adds a module with ``OPERATIONS`` of its own and one line here.
"""

from ..operation import Operation
from . import frames, gaussians, poses, volumes

OPERATIONS: dict[str, Operation] = {
    **gaussians.OPERATIONS,
    **poses.OPERATIONS,
    **frames.OPERATIONS,
    **volumes.OPERATIONS,
}
