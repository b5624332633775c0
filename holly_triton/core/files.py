"""Reading and writing files, with every failure reported in one plain line."""

import difflib
import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import HollyError


def absolute(words: str | None) -> str | None:
    """Words of which the part before a comma may be a file, with its absolute path if it is, so that they hold in any folder."""
    first, *rest = (words or "").split(",")
    return ",".join([str(Path(first).resolve()), *rest]) if first and Path(first).exists() else words


def digest(path: Path) -> str:
    """What differs between two files of different content.

    Raises:
        HollyError: The file can't be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise HollyError(f"{path}: cannot be read ({error.strerror})") from error


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Sort key by which ``picture_9`` comes before ``picture_10``."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]


def missing(path: Path, wanted: str) -> HollyError:
    """The error for a file or folder that is not there, with names in its folder that are nearly its own, or for a folder in place of a file.

    Args:
        path: What is missing.
        wanted: What to give, such as ``a data set``.
    """
    folder = path.parent
    if path.is_dir():
        return HollyError(f"{path}: is a folder; give {wanted}")
    if not folder.is_dir():
        return HollyError(f"{path}: there is no folder {folder}; give {wanted}")
    with suppress(OSError):
        near = difflib.get_close_matches(path.name, [item.name for item in folder.iterdir()], 3)
        if near:
            return HollyError(f"{path}: there is no such file or folder; did you mean {' or '.join(near)}?")
    return HollyError(f"{path}: there is no such file or folder; give {wanted}")


def check_writable(folder: Path) -> None:
    """Refuse a folder in which no file can be made, before the work whose result would go there.

    Permissions alone do not show it: a file system may be read-only, or full of what the kernel makes up, such as ``/proc``.

    Args:
        folder: Of a folder that is absent the nearest one above it is tried, in which it would be made.

    Raises:
        HollyError: No file can be made.
    """
    near = next((each for each in (folder, *folder.absolute().parents) if each.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=near):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise HollyError(f"{folder}: cannot be written ({reason}); choose a folder with write permission") from error


def check_new(*places: Path) -> None:
    """Refuse to replace a file.

    Raises:
        HollyError: One exists already.
    """
    for place in places:
        if place.exists():
            raise HollyError(f"{place}: exists already; choose another name, or pass --overwrite")


@contextmanager
def foreign(path: Path, kind: str) -> Iterator[None]:
    """Convert whatever a library raises on the bytes of ``path`` into a one-line error.

    Raises:
        HollyError: The block failed.
    """
    try:
        yield
    except HollyError:
        raise
    # Parsers of foreign bytes raise anything from KeyError to zlib.error; the user needs one line for all.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise HollyError(f"{path}: cannot be read as {kind}; is it complete, and of that format? ({reason})") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes the place of ``path`` only when the block ends well.

    Raises:
        HollyError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("r+b") as file:
            os.fsync(file.fileno())  # else a power cut could leave an empty file under the name of a whole one
        os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise HollyError(
            f"{path}: cannot be written ({reason}); choose a folder with write permission and free space"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def as_json(figures: Any) -> str:
    """Figures as JSON, one a line; NaN and infinity, which JSON lacks, become null."""
    return json.dumps(_finite(figures), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
