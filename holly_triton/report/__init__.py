"""report.html: the results of a run on one self-contained page that opens offline and can be printed and mailed.

It begins with the result, followed by its limitations and then all evidence. Pictures and the script that rotates the
structure are embedded. A part whose file is missing is replaced by a sentence that says so.
"""

from .page import REPORT, find_figures, find_warnings, write_report

__all__ = ["REPORT", "find_figures", "find_warnings", "write_report"]
