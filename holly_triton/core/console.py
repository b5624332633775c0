"""The console on stderr through which lines and bars are shown, so that lines stay above bars."""

from rich.console import Console

# Lines are not wrapped: a log has no width, and a terminal wraps them itself. Names of files are not markup.
console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
