"""Lists of molecules of Insight3 and N-STORM: 72 bytes a molecule behind a header of 16 (storm-analysis, ``readinsight3.py``).

Positions are in pixels, the centre of the first being 1; z is in nm; frames count from 1. ``xc``, ``yc`` and ``zc`` are
corrected for drift. The pixel's size is not stated.
"""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError

from .columns import Table, table_of
from .reading import Reading

SOURCE = "Insight3 list"
SIGNATURE = b"M425"
HEADER = 16
NUMBERS = ("x", "y", "xc", "yc", "height", "area", "width", "phi", "aspect", "bg", "i")
WHOLE = ("category", "fit", "frame", "length", "link")
RECORD = np.dtype(
    [*((name, "<f4") for name in NUMBERS), *((name, "<i4") for name in WHOLE), ("z", "<f4"), ("zc", "<f4")]
)
UNITS = {"x": "px", "y": "px", "xc": "px", "yc": "px", "z": "nm", "zc": "nm"}


def read_insight3(path: Path, reading: Reading) -> Table:
    """The columns of a list, mapped and not loaded.

    Raises:
        HollyError: The file is no such list, or is cut off.
    """
    with path.open("rb") as file:
        header = file.read(HEADER)
    if len(header) < HEADER or not header.startswith(SIGNATURE):
        raise HollyError(
            f"{path}: is not a list of molecules of Insight3, which begins with M425; export it as text (.txt)"
        )
    count = int(np.frombuffer(header, "<i4")[3])
    if not 0 <= count * RECORD.itemsize <= path.stat().st_size - HEADER:
        raise HollyError(f"{path}: promises {count} molecules, more than its bytes can hold; is it complete?")
    rows = np.memmap(path, RECORD, "r", HEADER, (count,)) if count else np.empty(0, RECORD)
    named = {f"{name} [{UNITS[name]}]" if name in UNITS else name: rows[name] for name in RECORD.names or ()}
    return table_of(SOURCE, named, rows=count)
