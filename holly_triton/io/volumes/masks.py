"""Masks in volumes of any two values."""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array


def as_mask(path: Path, values: Array) -> Array:
    """A volume of two values as a mask: bool of the same shape, True where the larger value is.

    The values need not be 0 and 1: IMOD keeps 0 and 1 in signed bytes as -128 and -127.

    Args:
        path: The file, for the message.
        values: ``[Z, Y, X]``.

    Raises:
        HollyError: There are more values than two, or only one.
    """
    least, most = values.min(), values.max()
    if least == most:
        raise HollyError(f"{path}: has the value {least:g} everywhere; a mask has two values, the larger one inside")
    inside: Array = values == most
    if not np.all(inside | (values == least)):
        raise HollyError(f"{path}: has more than two values from {least:g} to {most:g}; threshold it to make a mask")
    return inside
