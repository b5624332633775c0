"""The folder of a run: free or not, emptied of what an earlier run left, and nothing else."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from .errors import HollyError
from .files import check_writable
from .lock import check_idle


def check_free(folder: Path, overwrite: bool, holding: str = "run") -> None:
    """Refuse a folder that exists or that can't be written, before any work is done.

    Args:
        folder: The folder.
        overwrite: Whether what it holds is to be replaced.
        holding: What that is, in a word.

    Raises:
        HollyError: It exists and ``overwrite`` is not set, a run in it is being worked on, it is no folder, or it can't be
            written.
    """
    if folder.exists() and not folder.is_dir():
        raise HollyError(f"{folder}: is a file; choose another folder")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise HollyError(
            f"{folder}: exists already; choose another folder, or pass --overwrite to replace the {holding} in it"
        )
    check_idle(folder)
    check_writable(folder)


def make_folder(folder: Path, overwrite: bool, written: Iterable[str]) -> None:
    """An empty place for a run; other files in an overwritten folder stay.

    Args:
        folder: Folder of the run.
        overwrite: Whether a run in it is replaced.
        written: All that a run leaves in its folder, as patterns: what ``overwrite`` removes.

    Raises:
        HollyError: ``check_free`` fails, or there is no permission.
    """
    check_free(folder, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in (path for pattern in written for path in folder.glob(pattern)):
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        (folder / "pictures").mkdir()
    except OSError as error:
        raise HollyError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
