"""A limit to what a file may unfold to in memory, in proportion to its own size, against files made to exhaust a reader."""

from pathlib import Path

LARGEST_RATIO = 1100
"""No filter of HDF5 or zip that is read here packs bytes closer than deflate does, 1032 to 1."""


class Budget:
    """Bytes, or objects, that a file may still take.

    Raises:
        ValueError: it takes more.
    """

    def __init__(self, total: int, what: str) -> None:
        self.left, self.total, self.what = total, total, what

    @classmethod
    def of_bytes(cls, path: Path) -> "Budget":
        """As many bytes as the file could hold if packed as closely as can be."""
        return cls(LARGEST_RATIO * path.stat().st_size, "bytes")

    def spend(self, amount: int) -> None:
        """Take some of it."""
        self.left -= amount
        if self.left < 0:
            raise ValueError(f"it promises more than {self.total} {self.what}, more than its bytes can hold")
