"""What a tomogram must be before work on it begins, and what is doubtful about it."""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.types import Array
from holly_triton.tomography.config.inspection import TILT_DOUBT

from .contrast import find_contrast
from .values import distinct_values
from .wedge import check_wedge


def check_tomogram(
    path: Path, values: Array, *, tilt: tuple[float, float] | None = None, contrast: str | None = None
) -> None:
    """Check that a volume may be a tomogram with beam z and tilt axis y; warn of labels, other tilts and another contrast.

    Args:
        path: Its file, for messages.
        values: ``[Z, Y, X]``.
        tilt: First and last tilt that are taken for it, degrees; None where no tilts are taken.
        contrast: Of protein, ``dark`` or ``bright``, as it is taken; None where it is checked in another way.

    Raises:
        HollyError: It has a single value or two, as a mask has; or its missing wedge surely lies along other axes.
    """
    few = distinct_values(values)
    if few is not None and len(few) <= 2:
        listed = " and ".join(f"{value:g}" for value in sorted(few))
        what = "as a mask does" if len(few) == 2 else "everywhere"
        raise HollyError(f"{path}: holds the value{'s' * (len(few) == 2)} {listed} alone, {what}; give the tomogram itself")  # fmt: skip
    if few is not None:
        LOG.warning(
            "%s: holds %d different values, all whole numbers from %g to %g, as a volume of labels does; is it a tomogram?",
            path, len(few), min(few), max(few),
        )  # fmt: skip
    found = check_wedge(path, values)
    if found is not None and tilt is not None and np.abs(np.subtract(found.tilt, tilt)).max() > TILT_DOUBT:
        LOG.warning(
            "%s: its spectrum shows tilts of %.0f to %.0f degrees, and %g to %g are taken; give them with --tilt",
            path, *found.tilt, *tilt,
        )  # fmt: skip
    sign = None if contrast is None else find_contrast(values)
    if sign is not None and sign.sign is not None and sign.sign != contrast:
        LOG.warning(
            "%s: its particles appear to be %s, and %s ones are taken; if so give --contrast %s",
            path, sign.sign, contrast, sign.sign,
        )  # fmt: skip
