"""What the program reports while it works: the logger ``holly_triton``, shown on stderr and, if asked, kept in a file.

As a library the package only logs; the command line and its jobs call ``configure``, which decides what is shown.
"""

import logging
import os
from pathlib import Path

from .errors import HollyError

LOG = logging.getLogger("holly_triton")
TIMED = "%(asctime)s %(levelname)-7s %(message)s"


class _Plain(logging.Formatter):
    """Progress without a prefix; warnings and errors begin with the name of the program."""

    def format(self, record: logging.LogRecord) -> str:
        return ("holly-triton: " if record.levelno > logging.INFO else "") + super().format(record)


class _Shown(logging.Handler):
    """Prints through the console that also draws bars, so that lines stay above them."""

    def emit(self, record: logging.LogRecord) -> None:
        from .console import console  # rich takes long to import, and --help needs none

        try:
            console.print(self.format(record))
        except Exception:  # logging's own way: what cannot be reported must not end the work
            self.handleError(record)


SHOWN = _Shown()


def shows(level: int) -> bool:
    """Whether messages of a level, and for INFO bars too, are for a person to see."""
    return level >= SHOWN.level


def configure(*, verbose: bool = False, quiet: bool = False, file: Path | None = None) -> None:
    """Show messages on stderr, in place of whatever an earlier call chose.

    Args:
        verbose: All of them, with time and level.
        quiet: Warnings and errors only, no bars and no word on what to do next; results are printed all the same.
        file: Also append all of them to this file, with time and level.

    Raises:
        HollyError: The file can't be written.
    """
    for old in LOG.handlers[:]:
        LOG.removeHandler(old)
        old.close()
    LOG.setLevel(logging.DEBUG)
    SHOWN.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    SHOWN.setFormatter(logging.Formatter(TIMED, "%H:%M:%S") if verbose else _Plain())
    LOG.addHandler(SHOWN)
    if file is None or os.environ.get("RANK", "0") != "0":  # of torchrun's processes the first writes the files
        return
    try:
        kept = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        raise HollyError(f"--log {file}: cannot be written ({error.strerror}); choose another file") from error
    kept.setFormatter(logging.Formatter(TIMED))
    LOG.addHandler(kept)
