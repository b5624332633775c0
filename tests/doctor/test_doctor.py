"""``holly-triton doctor``: one real examination, and what it finds on machines where something is broken."""

import json
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.optional import EXTRAS, PURPOSES
from holly_triton.doctor import examine as examination
from holly_triton.doctor import packages
from holly_triton.doctor.checks import Check, healthy, in_words
from holly_triton.doctor.probes import Found

CORES, LARGEST_S = 2, 2.0
"""The bound is for two cores, which work at the same time."""
TORCH_S = 1.3
"""Processor time of the import of PyTorch where the bound was set. It is most of the whole, and no work of ours: a slower processor
has as much more time."""
WELL: dict[str, Found] = {
    "torch": {"version": "2", "cuda": None, "hip": None, "devices": [], "errors": {"cpu": 1e-7}},
    "drawing": {"2D": "matplotlib", "3D": "pyvista"},
}


@pytest.fixture(scope="module")
def examined() -> tuple[Found, list[Check], float]:
    """A real examination, and the processor time of its probes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    versions, checks = examination.examine()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return versions, checks, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Found]:
    """What the probes find, to be changed by a test; none of them is started."""
    found = {name: dict(result) for name, result in WELL.items()}
    monkeypatch.setattr(examination, "_start", lambda name: name)
    monkeypatch.setattr(examination, "_result", lambda name: found[name])
    monkeypatch.setattr(examination.shutil, "which", lambda program: None)
    return found


def named(name: str) -> Check:
    return next(check for check in examination.examine()[1] if check.name == name)


def test_here_all_that_is_essential_works(examined: tuple[Found, list[Check], float]) -> None:
    versions, checks, _ = examined
    assert healthy(checks), in_words(checks)
    essential = {check.name for check in checks if check.essential}
    assert {"Python", "required packages", "kernels, PyTorch, CPU", "drawing in 2D"} <= essential
    assert versions["torch"] and versions["cores"] >= 1


def test_it_takes_two_seconds_at_most(examined: tuple[Found, list[Check], float]) -> None:
    """In processor time, which other programs do not take part in."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    torch_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert examined[2] < CORES * LARGEST_S * max(1.0, torch_s / TORCH_S)


def test_everything_works_is_exit_code_0_and_the_next_command_is_named(probed: dict[str, Found]) -> None:
    ran = CliRunner().invoke(main, ["doctor"])
    assert ran.exit_code == 0
    assert "holly-triton demo" in ran.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("probe", "broken"),
    [
        ("torch", {"error": "OSError: libtorch_cpu.so: cannot open shared object file: No such file or directory"}),
        ("torch", {**WELL["torch"], "errors": {"cpu": 0.3}}),
        ("torch", {**WELL["torch"], "errors": {"cpu": float("nan")}}),
        ("torch", {**WELL["torch"], "errors": {"cpu": 1e-7, "cuda": 1e-7, "triton": {"error": "no compiler"}}}),
        ("drawing", {"error": "ended by signal 11: no message"}),
    ],
    ids=["cannot-load", "wrong", "nan", "triton-on-gpu", "crash"],
)
def test_something_essential_is_broken_is_exit_code_1(probed: dict[str, Found], probe: str, broken: Found) -> None:
    probed[probe] = broken
    ran = CliRunner().invoke(main, ["doctor", "--json"])
    assert ran.exit_code == 1
    found = json.loads(ran.output)
    assert not found["healthy"]
    wrong = [check for check in found["checks"] if check["state"] == "fails"]
    assert wrong and all(check["remedy"] and check["essential"] for check in wrong)


def test_drawing_in_3d_is_not_essential_and_a_missing_library_is_named(probed: dict[str, Found]) -> None:
    error = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    probed["drawing"] = {"2D": "matplotlib", "3D": {"error": error}}
    check = named("drawing in 3D")
    assert check.state == "fails" and not check.essential and "libGL.so.1" in check.remedy
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 0


@pytest.mark.parametrize(("cuda", "said"), [(None, "without CUDA"), ("13.0", "for CUDA 13.0")])
def test_a_driver_without_a_gpu_that_pytorch_can_use_is_said(
    probed: dict[str, Found], monkeypatch: pytest.MonkeyPatch, cuda: str | None, said: str
) -> None:
    monkeypatch.setattr(examination.shutil, "which", lambda program: f"/usr/bin/{program}")
    probed["torch"]["cuda"] = cuda
    check = named("GPU")
    assert check.state == "fails" and said in check.found and check.remedy


def test_with_a_gpu_every_backend_has_a_line(probed: dict[str, Found]) -> None:
    errors = {"cpu": 1e-7, "cuda": 2e-7, "triton": 3e-7}
    probed["torch"] |= {"errors": errors, "devices": [{"name": "Some GPU", "bytes": 80 * 2**30}]}
    states = {check.name: check.state for check in examination.examine()[1]}
    assert {states[f"kernels, {each}"] for each in ("PyTorch, CPU", "PyTorch, GPU", "Triton, GPU")} == {"works"}
    assert named("GPU").found == "Some GPU, 80 GiB"


@pytest.mark.parametrize(("version", "state"), [(None, "absent"), ("0.0.1", "fails")])
def test_an_extra_that_is_absent_or_too_old_names_its_command(
    probed: dict[str, Found], monkeypatch: pytest.MonkeyPatch, version: str | None, state: str
) -> None:
    real = packages.installed
    monkeypatch.setattr(packages, "installed", lambda name: version if name == "gemmi" else real(name))
    check = named("extra structures")
    assert check.state == state and not check.essential
    assert check.remedy == "pip install 'holly-triton[structures]'"


def test_a_required_package_that_is_missing_is_essential(
    probed: dict[str, Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packages.installed
    monkeypatch.setattr(packages, "installed", lambda name: None if name == "h5py" else real(name))
    check = named("required packages")
    assert check.state == "fails" and check.essential and "h5py" in check.remedy


def test_a_probe_that_ends_by_a_signal_is_a_result() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    process = subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert "signal 11" in examination._result(process)["error"]


def test_every_extra_of_a_function_has_its_purpose() -> None:
    path = Path(__file__).resolve().parents[2] / "pyproject.toml"
    extras = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {*PURPOSES} == {*extras} - {"all", "test", "docs"} == {*EXTRAS.values()}
