"""SMLM archives (Ouyang et al. 2018): a zip with a manifest in JSON and one binary table."""

import json
import zipfile
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign

from .columns import Table, table_of
from .reading import Reading
from .zip_check import check_members

LARGEST_MANIFEST = 2**20
"""Largest size of the manifest, bytes; JSON takes some forty times as many in memory."""


def read_smlm(path: Path, reading: Reading) -> Table:
    """The first binary table of an archive.

    Raises:
        HollyError: The archive is damaged, has no such table, or declares more than its bytes can hold.
    """
    with foreign(path, "SMLM archive"), zipfile.ZipFile(path) as archive:
        check_members(path, archive)
        if archive.getinfo("manifest.json").file_size > LARGEST_MANIFEST:
            raise HollyError(f"{path}: its manifest.json is larger than {LARGEST_MANIFEST} bytes, so it is none")
        manifest = json.loads(archive.read("manifest.json"))
        layouts = {name: layout for name, layout in manifest["formats"].items() if layout.get("mode") == "binary"}
        tables = [file for file in manifest["files"] if file["format"] in layouts and file["type"] == "table"]
        if not tables:
            raise HollyError(f"{path}: holds no binary table of localisations; save it as CSV")
        layout = layouts[tables[0]["format"]]
        kinds = [np.dtype(kind).newbyteorder("<") for kind in layout["dtype"]]
        headers = zip(layout["headers"], layout["units"], strict=True)
        names = [f"{name} [{unit}]" if unit else name for name, unit in headers]
        rows = np.frombuffer(archive.read(tables[0]["name"]), np.dtype([*zip(names, kinds, strict=True)]))
    # Each column may have an offset, which is a shift of the whole field and has no effect on particles.
    return table_of("SMLM archive", {name: rows[name] for name in names})
