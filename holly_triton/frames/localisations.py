"""The table of localisations that every method of the family gives, and that its evaluation takes."""

import numpy as np

from holly_triton.core.types import Array

KIND = np.dtype(
    [
        ("frame", np.int64),  # counted from 1, as the SMLM challenge and ThunderSTORM do
        ("x", np.float64),  # nm, along the columns, 0 at the outer edge of the first pixel
        ("y", np.float64),  # nm, along the rows
        ("z", np.float64),  # nm from the focus
        ("photons", np.float64),
        ("background", np.float64),  # photons a pixel
        ("probability", np.float64),
        ("sigma_x", np.float64),  # standard deviations of x, y and z, nm; NaN where a method states none
        ("sigma_y", np.float64),
        ("sigma_z", np.float64),
        ("sigma_photons", np.float64),
    ]
)
"""One row a localisation."""


def localisations(rows: int) -> Array:
    """A table of this number of rows: every value is NaN, every frame 0."""
    table = np.zeros(rows, dtype=KIND)
    for name in KIND.names or ():
        if name != "frame":
            table[name] = np.nan
    return table
