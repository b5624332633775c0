"""Where the figures of a report are from: the commit of the source, and the machine; the last lines of reports."""

import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

NOT_RECORDED = "The commit and the machine of the runs were not recorded."


def commit() -> str:
    """Of the checkout that this file belongs to, in short; else the release."""
    from holly_triton import __version__

    def git(*arguments: str) -> str:
        here = Path(__file__).resolve().parent
        try:
            done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    # An installed copy may lie inside another repository, which does not track it.
    tracked = git("ls-files", "--error-unmatch", "__init__.py")
    return (tracked and git("rev-parse", "--short", "HEAD")) or f"release {__version__}"


def machine() -> str:
    """The kind of processor, on which one thread is used."""
    return f"{platform.machine()}, one thread"


def here() -> dict[str, str]:
    """Both, as a record of a run keeps them."""
    return {"commit": commit(), "machine": machine()}


def origin_of(runs: Iterable[Mapping[str, Any]]) -> str:
    """The sentence of a report on records that were begun with ``here``; older ones lack it."""
    runs = list(runs)
    parts = [sorted({run[key] for run in runs if key in run}) for key in ("commit", "machine")]
    if not all(parts):
        return NOT_RECORDED
    rest = " Of some runs both were not recorded." if any("commit" not in run for run in runs) else ""
    return f"Commit {', '.join(parts[0])}; {', '.join(parts[1])}.{rest}"


def written_here() -> str:
    """The sentence of a report that is made anew from what was kept by several calls."""
    return f"Written at commit {commit()}; what was kept from earlier calls may be of earlier commits."
