"""Where the figures of a report are from: the commit of the source, and the machine; the last lines of reports."""

import functools
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

NOT_RECORDED = "The commit and the machine of the runs were not recorded."


@functools.cache
def commit() -> str:
    """The commit of the checkout that this file belongs to, ``+changes`` if it has any in the source; else the release.

    HOLLY_TRITON_COMMIT names it where the checkout came without its history.
    """
    from holly_triton import __version__

    if named := os.environ.get("HOLLY_TRITON_COMMIT"):
        return named
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here.parent), *arguments], capture_output=True, text=True)
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # An installed copy may lie inside another repository, which does not track it.
    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return f"release {__version__}"
    changed = git("status", "--porcelain", "--", "../../harness", "../../kernels")
    return (git("rev-parse", "HEAD") or f"release {__version__}") + ("+changes" if changed else "")


def short_commit() -> str:
    """The same in seven digits, for sentences."""
    return re.sub(r"^([0-9a-f]{7})[0-9a-f]+(\+changes)?$", r"\1", commit())


def machine() -> str:
    """The kind of processor, on which one thread is used."""
    return f"{platform.machine()}, one thread"


def here() -> dict[str, str]:
    """Both, as a record of a run keeps them."""
    return {"commit": short_commit(), "machine": machine()}


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
    return f"Written at commit {short_commit()}; what was kept from earlier calls may be of earlier commits."
