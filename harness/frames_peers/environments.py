"""Environments of their own for the programs of others, so that none of their packages meets ours."""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from holly_triton.core.errors import HollyError

from .config import ENVIRONMENT_S, RUN_S

ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
}  # fmt: skip


class UnavailableError(HollyError):
    """A program can't be installed or run here; the text is the reason."""


def interpreter(folder: Path, package: str, installs: Sequence[Sequence[str]]) -> Path:
    """The interpreter of an environment that has a package; it is made, and the package installed, where it is missing.

    Args:
        folder: Of the environment.
        package: Name of the distribution.
        installs: Arguments of ``pip install``, one after the other.

    Raises:
        UnavailableError: The installation fails.
    """
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.is_file():
        venv.create(folder, with_pip=True)
    if not _has(python, package):
        for arguments in installs:
            call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments], ENVIRONMENT_S)
        if not _has(python, package):
            raise UnavailableError(f"{package} was installed and can't be found in {folder}")
    return python


def call(command: Sequence[str | Path], limit_s: float = RUN_S) -> None:
    """Run a process with one thread.

    Raises:
        UnavailableError: It fails or takes too long; the text is the last line of what it wrote.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, env={**os.environ, **ONE_THREAD}, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(str(error)) from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UnavailableError(lines[-1])


def _has(python: Path, package: str) -> bool:
    code = f"import importlib.metadata as m; m.version({package!r})"
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
