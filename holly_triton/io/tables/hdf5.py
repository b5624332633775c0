"""Localisations in HDF5: files of known programs, or any table, or any data sets in one group."""

from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign

from .beside import table_of_leaves
from .columns import Table
from .hdf5_check import check_no_set
from .hdf5_programs import PROGRAMS
from .hdf5_tree import leaves_of
from .reading import Reading

KNOWN = "Picasso, DECODE, storm-analysis, daxview, PYME and pandas"


def read_hdf5(path: Path, reading: Reading) -> Table:
    """The columns of a table, read in parts and on demand.

    Raises:
        HollyError: The file is damaged, has no such table, or declares more than its bytes can hold.
    """
    import h5py

    with foreign(path, "HDF5"), h5py.File(path) as file:
        for read in PROGRAMS:
            if (table := read(path, file)) is not None:
                return table
        check_no_set(path, file, "localisations")
        table = table_of_leaves("HDF5", leaves_of(path, file), reading)
        if table is None:
            found = ", ".join([*file][:12]) or "nothing"
            raise HollyError(f"{path}: needs the layout of {KNOWN}, or a table with columns x and y; found {found}")
        return table
