"""One process at a time works on a run: two would overwrite each other's checkpoints."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from .distributed import leads, summed
from .errors import HollyError

CHECKPOINTS = "checkpoints"
"""The folder, inside a run's, to which only the process that works on the run writes."""
LOCK = f"{CHECKPOINTS}/lock"
"""An empty file in a run's folder, which may stay. The system's lock on it ends with the process, however that dies."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes from working on a run; where the file system has no locks, nothing is kept.

    Raises:
        HollyError: Another process is at it; on every rank, though only the first holds the lock.
    """
    with ExitStack() as held:
        free = True
        if leads():
            with suppress(OSError):  # a folder that can't be written to is reported when a checkpoint is due
                (folder / CHECKPOINTS).mkdir(exist_ok=True)
            free = _lock(folder / LOCK, held)
        if summed(not free):
            raise _busy(folder)
        yield


def check_idle(folder: Path) -> None:
    """Refuse a folder where a run is being worked on, or one of a study's.

    Raises:
        HollyError: So it is.
    """
    for path in (*folder.glob(LOCK), *folder.glob(f"*/{LOCK}")):
        with ExitStack() as held:
            if not _lock(path, held):
                raise _busy(path.parents[1])


def _lock(path: Path, held: ExitStack) -> bool:
    """Lock a file until the stack is closed; False where another process has."""
    try:
        # The other kind of lock, a file that says who made it, would outlive a job that is killed on another machine.
        held.enter_context(FileLock(path, timeout=0, fallback_to_soft=False))
    except Timeout:
        return False
    except OSError:  # file systems without locks, and folders that can't be written to
        pass
    return True


def _busy(folder: Path) -> HollyError:
    return HollyError(f"{folder}: another process is working on this run; wait until it ends, or stop it first")
