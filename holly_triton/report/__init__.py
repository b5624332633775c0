"""report.html: what a run found, on one page that opens offline, prints, and can be mailed as it is.

The answer first, then what may be wrong with it, then everything that it rests on. Every picture is inside the page,
and so is the script that turns the structure. A part whose file is missing is left out with a sentence that says so.
"""

from .page import find_figures, find_warnings, write_report

__all__ = ["find_figures", "find_warnings", "write_report"]
