"""All checks of this machine: probes are started, packages are looked up meanwhile, and what the probes found is read."""

import json
import os
import platform
import shutil
import subprocess
import sys
from typing import Any

import holly_triton

from .checks import Check
from .packages import check_packages, installed
from .probes import TOLERANCE, Found

PATIENCE_S = 120.0
"""Seconds that a probe may take. A second is usual; the first use of Triton on a GPU compiles for some more."""
NO_GPU = "PyTorch finds no GPU here"
GIB = 2**30


def examine(*, interpret: bool = False) -> tuple[Found, list[Check]]:
    """Versions, and the checks in the order of their weight.

    Args:
        interpret: Whether to try Triton's kernels on the processor too, interpreted, which takes some seconds.
    """
    names = ["torch", "drawing", *(["interpreter"] if interpret else [])]
    started = {name: _start(name) for name in names}
    python, *extras = [_check_python(), *check_packages()]
    required, extras = extras[:1], extras[1:]
    found = {name: _result(process) for name, process in started.items()}
    checks = [
        python, *required, *_check_torch(found["torch"]), _check_triton(found["torch"], found.get("interpreter")),
        *_check_drawing(found["drawing"]), *extras,
    ]  # fmt: skip
    return _versions(found["torch"]), checks


def _start(name: str) -> subprocess.Popen[str]:
    environment = os.environ | ({"TRITON_INTERPRET": "1"} if name == "interpreter" else {})
    # The path of this process too: a checkout may have been put there by hand.
    environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
    return subprocess.Popen(
        [sys.executable, "-m", "holly_triton.doctor.probes", name], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _result(process: subprocess.Popen[str]) -> Found:
    """What a probe printed, or ``{"error": ...}`` with how it ended."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"error": f"no answer within {PATIENCE_S:.0f} s"}
    lines = out.strip().splitlines()
    if process.returncode == 0 and lines:
        found: Found = json.loads(lines[-1])
        return found
    last = err.strip().splitlines()[-1:] or ["no message"]
    how = f"ended by signal {-process.returncode}" if process.returncode < 0 else f"exit code {process.returncode}"
    return {"error": f"{how}: {last[0]}"}


def _check_python() -> Check:
    return Check("Python", "works", f"{platform.python_version()}, {sys.executable}", essential=True)


def _check_torch(found: Found) -> list[Check]:
    """PyTorch's kernels on the processor and on the GPU."""
    name = "kernels, PyTorch"
    if "error" in found:
        remedy = (
            "install PyTorch as https://pytorch.org/get-started says" if installed("torch") else "pip install torch"
        )
        return [Check(name, "fails", found["error"], remedy, essential=True)]
    checks = [_by_difference(f"{name}, CPU", found["errors"]["cpu"])]
    if "cuda" in found["errors"]:
        checks.append(_by_difference(f"{name}, GPU", found["errors"]["cuda"]))
        names = ", ".join(f"{one['name']}, {one['bytes'] / GIB:.0f} GiB" for one in found["devices"])
        return [*checks, Check("GPU", "works", names)]
    return [*checks, _without_gpu(found)]


def _without_gpu(found: Found) -> Check:
    if shutil.which("nvidia-smi") is None:
        return Check("GPU", "unused", f"{NO_GPU}; the processor is used")
    if found["cuda"] is None:
        why, remedy = (
            "this PyTorch was built without CUDA",
            "install a PyTorch with CUDA, as https://pytorch.org/get-started says",
        )
    else:
        why, remedy = (
            f"this PyTorch is for CUDA {found['cuda']}",
            "compare with the CUDA version that nvidia-smi prints",
        )
    return Check("GPU", "fails", f"{NO_GPU}, but NVIDIA's driver is installed; {why}", remedy)


def _check_triton(torch: Found, interpreted: Found | None) -> Check:
    name = "kernels, Triton"
    version = installed("triton")
    on_gpu = "triton" in torch.get("errors", {})
    if on_gpu or interpreted is not None:
        difference = (
            torch["errors"]["triton"]
            if on_gpu
            else interpreted and interpreted.get("errors", {}).get("triton", interpreted)
        )
        where = "GPU" if on_gpu else "interpreted"
        return _by_difference(f"{name}, {where}", difference, essential=on_gpu)
    if version is None:
        return Check(name, "absent", "not installed; PyTorch's kernels are used")
    return Check(name, "unused", f"{version}; no GPU to use it. --interpret tries its kernels on the processor")


def _by_difference(name: str, difference: Any, *, essential: bool = True) -> Check:
    """A check of kernels by their difference from the reference, or by the error that they ended with."""
    if isinstance(difference, dict):
        return Check(name, "fails", difference["error"], "report the error, with holly-triton doctor --json", essential)
    if not difference <= TOLERANCE:  # NaN too
        found = f"results differ from the reference by {difference:.1e} of their size, {TOLERANCE:.0e} is allowed"
        return Check(
            name, "fails", found, "do not use this backend; report it, with holly-triton doctor --json", essential
        )
    return Check(
        name, "works", f"picture and gradient within {difference:.0e} of the dense reference", essential=essential
    )


def _check_drawing(found: Found) -> list[Check]:
    if "error" in found:
        return [Check("drawing", "fails", found["error"], _library(found["error"]), essential=True)]
    checks = [_by_word("drawing in 2D", found["2D"], essential=True)]
    if "3D" not in found:
        return [
            *checks,
            Check("drawing in 3D", "absent", "pyvista is not installed", "pip install 'holly-triton[view]'"),
        ]
    return [*checks, _by_word("drawing in 3D", found["3D"], essential=False)]


def _by_word(name: str, word: Any, *, essential: bool) -> Check:
    if isinstance(word, dict):
        return Check(name, "fails", word["error"], _library(word["error"]), essential)
    return Check(name, "works", word, essential=essential)


def _library(error: str) -> str:
    """What to do about an error of loading or drawing."""
    if "cannot open shared object file" in error:
        library = error.split(": ")[1]
        return f"install the system's package with {library}; on Debian and Ubuntu: apt install libgl1 libxrender1"
    return "pip install --force-reinstall the package that the error names"


def _versions(torch: Found) -> Found:
    return {
        "holly-triton": holly_triton.__version__, "python": platform.python_version(), "torch": installed("torch"),
        "triton": installed("triton"), "cuda": torch.get("cuda"), "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "devices": torch.get("devices", []),
    }  # fmt: skip
