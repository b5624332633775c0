"""The files of the structures of a study, in the folders that a person gives."""

from collections.abc import Sequence
from pathlib import Path

from holly_triton.core.errors import HollyError


def find_structures(files: Sequence[str], folders: Sequence[Path]) -> dict[str, Path]:
    """Where each file lies.

    Args:
        files: Their names.
        folders: Each is searched, and the folders in it.

    Raises:
        HollyError: A file is in none of them.
    """
    places = {file: _find(file, folders) for file in files}
    absent = [file for file, path in places.items() if path is None]
    if absent:
        where = ", ".join(map(str, folders)) or "no folder, since none was given"
        raise HollyError(
            f"--structures: {', '.join(absent)} not found in {where}; give the folders that hold the maps and models of the study"
        )
    return {file: path for file, path in places.items() if path is not None}


def _find(file: str, folders: Sequence[Path]) -> Path | None:
    candidates = (path for folder in folders for path in (folder / file, *sorted(folder.glob(f"*/{file}"))))
    return next((path for path in candidates if path.is_file()), None)
