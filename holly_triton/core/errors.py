"""The one error type whose text is written for the person at the keyboard."""

import re

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""Line breaks, and what makes a terminal do more than print: names in foreign files may hold them."""


class HollyError(Exception):
    """The data or the run is at fault: one line that names the file, what is wrong, what would be right.

    The command line prints it without a traceback and exits with 1.
    """

    def __init__(self, line: str) -> None:
        super().__init__(CONTROL.sub(" ", line))


class InsufficientError(HollyError):
    """The data are sound but hold too little for a step, which a chain of steps may leave out."""
