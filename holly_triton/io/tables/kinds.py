"""The type of a file by its first bytes, and advice about types that are not read."""

from collections.abc import Collection
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.io.text_table import read_header

SIGNATURES = (
    (b"\x89HDF\r\n\x1a\n", ".hdf5"),
    (b"\x93NUMPY", ".npy"),
    (b"MATLAB 5.0 MAT-file", ".mat"),
    (b"MATLAB 7.3 MAT-file", ".mat"),
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".feather"),
    (b"FEA1", ".feather"),
    (b"M425", ".bin"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
    (b"SQLite format 3\0", ".sqlite"),
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
)
"""First bytes of files, and the suffix that such files should have."""
ZIPPED = (".npz", ".smlm", ".xlsx", ".xlsm", ".ods", ".zarr", ".pt")
"""Suffixes of files that are zip archives, which their first bytes alone do not distinguish."""
IN_EXCEL = (b"[Content_Types].xml", b"docProps/", b"xl/")
"""Names of members of a workbook of Excel, one of which is its first."""
NAMES_OF_TEXT = (".xls", ".bin", ".sml")
"""Suffixes that some programs give to tables in text."""
EXPORT = "export it as CSV"
ADVICE = {
    ".xls": f"is a workbook of Excel; {EXPORT} (File, Save as, CSV UTF-8)",
    ".xlsx": f"is a workbook of Excel; {EXPORT} (File, Save as, CSV UTF-8)",
    ".xlsm": f"is a workbook of Excel; {EXPORT} (File, Save as, CSV UTF-8)",
    ".ods": f"is a spreadsheet; {EXPORT}",
    ".pt": "is a model; data are needed: give it as --model to the command that uses it",
    ".zip": "is a zip archive; unpack it, and give a file that it holds",
    ".parquet": f"is Parquet, which is not read; {EXPORT}, such as by pandas.read_parquet(NAME).to_csv(OUT, index=False)",
    ".feather": f"is Feather, which is not read; {EXPORT}, such as by pandas.read_feather(NAME).to_csv(OUT, index=False)",
    ".arrow": f"is Arrow, which is not read; {EXPORT}, such as by pandas.read_feather(NAME).to_csv(OUT, index=False)",
    ".zarr": "is Zarr, which is not read; export MINFLUX data from Imspector as .npy or .mat, and other columns as .npz or CSV",
    ".pkl": "is a pickle, which could run any program and is not read; save it as CSV or with numpy.savez",
    ".pickle": "is a pickle, which could run any program and is not read; save it as CSV or with numpy.savez",
    ".sqlite": f"is a database, which is not read; {EXPORT}",
    ".star": "is a STAR file, which lists particles and holds no pictures; give the stack that it names (.mrcs)",
    ".rds": f"is a file of R, which is not read; {EXPORT}, by write.csv(NAME, OUT, row.names = FALSE)",
    ".rdata": f"is a file of R, which is not read; {EXPORT}, by write.csv(NAME, OUT, row.names = FALSE)",
    ".sml": "is a binary table of Abbelight or SMAP; export it as CSV",
    ".nd2": "holds camera frames of Nikon; localise them first, and give the table of localisations",
    ".czi": "holds camera frames of Zeiss; localise them first, and give the table of localisations",
    ".lif": "holds camera frames of Leica; localise them first, and give the table of localisations",
}
"""Advice about files of types that are not read, by suffix."""


def kind_of(path: Path, known: Collection[str]) -> str | None:
    """The suffix that a file should have by its content; None if its content does not identify it, or it can't be read.

    The name of a file decides where its first bytes are those of no format, or of several. Text of any suffix that is
    not ``known`` is a table if it has at least two columns and a row of numbers.

    Args:
        path: A file.
        known: Suffixes of formats that are read.
    """
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError:
        return None
    found = next((ending for signature, ending in SIGNATURES if start.startswith(signature)), None)
    if found == ".hdf5" and suffix in (".mat", ".h5"):  # MATLAB 7.3 may come without its own signature
        return None
    if found is None and start.startswith(b"PK\x03\x04"):
        return None if suffix in (*ZIPPED, *known) else ".xlsx" if any(name in start for name in IN_EXCEL) else ".zip"
    if found is not None:
        return found
    if suffix not in NAMES_OF_TEXT and (suffix in known or suffix in ADVICE):
        return None
    return ".csv" if _is_table(path, start) else None


def advice(path: Path) -> str | None:
    """What is wrong with a file or folder of a type that is not read, and what would be right; None for other types."""
    if path.is_dir() and any((path / name).exists() for name in (".zgroup", ".zarray", "zarr.json")):
        return ADVICE[".zarr"]
    return ADVICE.get((path.is_file() and kind_of(path, ())) or path.suffix.lower()) or ADVICE.get(path.suffix.lower())


def _is_table(path: Path, start: bytes) -> bool:
    if not start or b"\0" in start or start.lstrip()[:1] in (b"{", b"<"):
        return False
    try:
        header = read_header(path)
    except HollyError:
        return False
    return len(header.columns) > 1 and header.has_numbers
