"""One process at a time works on a run: two would overwrite each other's checkpoints."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from .distributed import leads, summed
from .errors import HollyError

CHECKPOINTS = "checkpoints"
"""The folder, inside a run's, to which only the process that works on the run writes."""
LOCK = f"{CHECKPOINTS}/lock"
"""An empty file in a run's folder. It stays: what says that somebody is there is the system's lock on it, which ends
with the process, however that dies."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes from working on a run; where the system has no such locks, nothing is kept.

    Raises:
        HollyError: Another process is at it; on every rank, though only the first holds the lock.
    """
    with ExitStack() as held:
        free = True
        if leads():
            with suppress(OSError):  # a folder that can't be written to is told of when a checkpoint is due
                (folder / CHECKPOINTS).mkdir(exist_ok=True)
                free = _lock(held.enter_context((folder / LOCK).open("ab")))
        if summed(not free):
            raise _busy(folder)
        yield


def check_idle(folder: Path) -> None:
    """Refuse a folder where a run is being worked on, or one of a study's.

    Raises:
        HollyError: So it is.
    """
    for path in (*folder.glob(LOCK), *folder.glob(f"*/{LOCK}")):
        with suppress(OSError), path.open("ab") as file:
            if not _lock(file):
                raise _busy(path.parents[1])


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; False where another process has."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows; file systems without locks
        pass
    return True


def _busy(folder: Path) -> HollyError:
    return HollyError(f"{folder}: another process is working on this run; wait until it ends, or stop it first")
