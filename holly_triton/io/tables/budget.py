"""A limit on the memory that a file may expand to, in proportion to its size, against files made to exhaust a reader."""

from pathlib import Path

LARGEST_RATIO = 1100
"""No filter of HDF5 or zip that is read here compresses more than deflate, 1032 to 1."""


class Budget:
    """Bytes, or objects, that a file may still take.

    Raises:
        ValueError: The file takes more.
    """

    def __init__(self, total: int, what: str) -> None:
        self.left, self.total, self.what = total, total, what

    @classmethod
    def of_bytes(cls, path: Path) -> "Budget":
        """As many bytes as the file could hold at the highest compression."""
        return cls(LARGEST_RATIO * path.stat().st_size, "bytes")

    def spend(self, amount: int) -> None:
        """Use a part of the budget."""
        self.left -= amount
        if self.left < 0:
            raise ValueError(f"it promises more than {self.total} {self.what}, more than its bytes can hold")
