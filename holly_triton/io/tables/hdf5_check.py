"""Checks that an HDF5 file can hold what it declares: the library does not verify sizes, links and layouts."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from holly_triton.core.errors import HollyError

from .budget import LARGEST_RATIO

BOXES = "volumes"
"""The data set of a set of subtomograms that holds its boxes."""


def check_size(path: Path, dataset: Any, what: str = "values") -> None:
    """Refuse a data set whose header declares more than its bytes can hold, or whose numbers are in another file.

    Raises:
        HollyError: The data set is refused.
    """
    if dataset.external or dataset.is_virtual or dataset.file.filename != str(path):
        raise HollyError(f"{path}: {dataset.name} is only a link to another file; save the data in one")
    if math.prod(dataset.shape) * dataset.dtype.itemsize > LARGEST_RATIO * dataset.id.get_storage_size():
        raise HollyError(f"{path}: {dataset.name} promises {dataset.size} {what}, more than its bytes can hold")


def check_layout(path: Path, dataset: Any) -> None:
    """Refuse columns that overlap: HDF5 writes past the end of its memory when it splits such rows.

    Raises:
        HollyError: The columns overlap.
    """
    if _overlap(dataset.dtype):
        raise HollyError(f"{path}: the columns of {dataset.name} overlap; the file is damaged")


def _overlap(dtype: Any) -> bool:
    """Whether fields of a row, or of a row within it, share bytes."""
    if dtype.subdtype:
        return _overlap(dtype.base)
    if not dtype.names:
        return False
    kinds = [(offset, kind) for kind, offset, *_ in dtype.fields.values()]
    places = sorted((offset, offset + kind.itemsize) for offset, kind in kinds)
    shared = any(end > start for (_, end), (start, _) in pairwise([*places, (dtype.itemsize, 0)]))
    return shared or any(_overlap(kind) for _, kind in kinds)


def check_no_set(path: Path, file: Any, wanted: str) -> None:
    """Refuse a set of subtomograms: the numbers beside its boxes could be taken for something else.

    Raises:
        HollyError: It is one.
    """
    boxes = file.get(BOXES)
    if len(getattr(boxes, "shape", ())) == 4 and len(boxes) > 1:
        raise HollyError(
            f"{path}: is a set of {len(boxes)} subtomograms, not {wanted}; holly-triton tomo classify and tomo discover read it"
        )
