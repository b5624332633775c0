"""The operations that are measured: a file a family, which the harness itself need not know.

A new family adds a module with ``OPERATIONS`` of its own and one line here.
"""

from ..operation import Operation
from . import gaussians

OPERATIONS: dict[str, Operation] = {**gaussians.OPERATIONS}
