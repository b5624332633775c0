"""The square pixel grid on which structures are drawn: the only conversion between nm and pixels."""

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

Lengths = TypeVar("Lengths", float, Tensor, float | Tensor)


@dataclass(frozen=True)
class Grid:
    """A square picture: ``size`` pixels a side over a field of view of ``field_nm`` nm a side."""

    size: int
    field_nm: float

    @property
    def pixel_nm(self) -> float:
        """Side of one pixel, nm."""
        return self.field_nm / self.size

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels, as the kernels require it."""
        return self.size, self.size

    def to_pixels(self, lengths_nm: Lengths) -> Lengths:
        """Lengths, or positions relative to the picture's centre: nm to pixels."""
        return lengths_nm / self.pixel_nm
