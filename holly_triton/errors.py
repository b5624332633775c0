"""The one error type whose text is written for the person at the keyboard."""


class HollyError(Exception):
    """The data or the run is at fault: one line that names the file, what is wrong, what would be right.

    The command line prints it without a traceback and exits with 1.
    """
