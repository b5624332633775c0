"""Arguments that don't fit: the message names the argument, what was given and what is expected."""

import doctest
import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from holly_triton import kernels
from holly_triton.kernels import (
    FourierReference,
    PsfTable,
    emitter_nll,
    fourier_correlation,
    fourier_reference,
    normalised_masked_l1,
    pose_scores,
    psf_table,
    reconstruction_loss,
    splat,
    splat_emitters,
    splat_psf,
)
from holly_triton.kernels.arguments import choose_backend

N, B, H, W = 5, 2, 8, 9
CLOUD: dict[str, Any] = {
    "points": torch.zeros(N, 3),
    "rotation": torch.eye(3).expand(B, 3, 3),
    "shift": torch.zeros(B, 2),
    "sigma": 1.0,
}
GOOD: dict[Callable[..., torch.Tensor], dict[str, Any]] = {
    splat: {**CLOUD, "shape": (H, W)},
    reconstruction_loss: {**CLOUD, "target": torch.ones(B, H, W)},
    normalised_masked_l1: {"images": torch.ones(B, H, W), "target": torch.ones(B, H, W)},
    splat_emitters: {
        "xy": torch.zeros(4, 2),
        "offsets": torch.tensor([0, 1, 4]),
        "sigma": 1.0,
        "shape": (H, W),
    },
    splat_psf: {
        "xyz": torch.zeros(4, 3),
        "offsets": torch.tensor([0, 1, 4]),
        "psf": PsfTable(torch.ones(6, 3, 3), 0.0, 1.0),
        "shape": (H, W),
    },
    emitter_nll: {
        "logits": torch.zeros(B, H, W),
        "mean": torch.zeros(B, 4, H, W),
        "sigma": torch.ones(B, 4, H, W),
        "emitters": torch.zeros(4, 4),
        "offsets": torch.tensor([0, 1, 4]),
    },
    pose_scores: {
        "xyz": torch.zeros(4, 3),
        "offsets": torch.tensor([0, 1, 4]),
        "rotation": torch.eye(3).expand(N, 3, 3),
        "shift": torch.zeros(B, N, 3),
        "log_density": torch.ones(3, 4, 5),
        "voxel": 1.0,
    },
    psf_table: {"values": torch.ones(5, 3, 3), "z_first": 0.0, "z_step": 1.0},
    fourier_correlation: {
        "spectra": torch.ones(4, N, dtype=torch.complex64),
        "reference": FourierReference(torch.ones(3, 3, 3, dtype=torch.complex64), 0.25),
        "rotation": torch.eye(3).expand(B, 3, 3),
        "shift": torch.zeros(1, 3),
        "frequencies": torch.zeros(N, 3),
        "weight": torch.ones(1, N),
    },
    fourier_reference: {"volume": torch.ones(4, 4, 4)},
}
SINGLE = torch.complex64

WRONG = [
    (splat, "points", [[0.0, 0.0, 0.0]], TypeError, "points must be a torch.Tensor [N, 3], got list"),
    (splat, "points", torch.zeros(N, 2), ValueError, "points must be [N, 3], got [5, 2]"),
    (
        splat,
        "points",
        torch.zeros(N, 3).half(),
        TypeError,
        "points must be float32 or float64, got torch.float16",
    ),
    (
        splat,
        "points",
        torch.zeros(N, 3).long(),
        TypeError,
        "points must be float32 or float64, got torch.int64",
    ),
    (splat, "rotation", torch.zeros(3, 3), ValueError, "rotation must be [B, 3, 3], got [3, 3]"),
    (splat, "rotation", torch.zeros(B, 3, 3).double(), TypeError, "rotation must be torch.float32"),
    (splat, "rotation", torch.zeros(B, 3, 3, device="meta"), ValueError, "rotation must be on cpu"),
    (splat, "shift", torch.zeros(B + 1, 2), ValueError, "shift must be [B, 2] with B = 2, got [3, 2]"),
    (splat, "sigma", "wide", TypeError, "sigma must be a number or a tensor [B], got str"),
    (splat, "sigma", torch.ones(B + 1), ValueError, "sigma must be [B] with B = 2, got [3]"),
    (splat, "sigma", torch.ones(B, 1), ValueError, "sigma must be [B] with B = 2, got [2, 1]"),
    (splat, "sigma", 0, ValueError, "sigma must be above 0 and finite, got 0"),
    (splat, "sigma", float("nan"), ValueError, "sigma must be above 0 and finite, got nan"),
    (reconstruction_loss, "sigma", -1.5, ValueError, "sigma must be above 0 and finite, got -1.5"),
    (splat, "points", torch.zeros(1, 3).expand(2**30 + 1, 3), ValueError, "points must be at most 1073741824"),
    (splat, "shape", (H,), ValueError, "shape must be (H, W), two whole numbers above 0, got (8,)"),
    (splat, "shape", (0, W), ValueError, "shape must be (H, W), two whole numbers above 0, got (0, 9)"),
    (splat, "shape", (8.0, W), ValueError, "shape must be (H, W), two whole numbers above 0, got (8.0, 9)"),
    (splat, "shape", (2**15 + 1, 2**15), ValueError, "shape must be of at most 1073741824 pixels"),
    (splat, "shape", (2**28 + 1, 1), ValueError, "in rows of a multiple of 4, got (268435457, 1)"),
    (splat, "weights", torch.ones(N + 1), ValueError, "weights must be [N] with N = 5, got [6]"),
    (splat, "point_sigma", torch.ones(N, 3), ValueError, "point_sigma must be [N, 2] with N = 5, got [5, 3]"),
    (splat, "backend", "cuda", ValueError, "backend must be one of triton, separable, got 'cuda'"),
    (splat, "precision", "half", ValueError, "precision must be one of tf32, tf32x3, bf16x3, ieee, got 'half'"),
    (
        reconstruction_loss,
        "target",
        torch.ones(B, H),
        ValueError,
        "target must be [B, H, W] with B = 2, got [2, 8]",
    ),
    (reconstruction_loss, "target", torch.ones(B, H, W).double(), TypeError, "target must be torch.float32"),
    (
        reconstruction_loss,
        "target",
        torch.ones(B, 0, W),
        ValueError,
        "target must have from 1 to 1073741824 pixels a picture in rows of a multiple of 4, got [2, 0, 9]",
    ),
    (reconstruction_loss, "scale", 0.0, ValueError, "scale must be above 0 and finite, got 0.0"),
    (normalised_masked_l1, "scale", "bright", TypeError, "scale must be a number, got str"),
    (normalised_masked_l1, "images", torch.ones(B, H, 0), ValueError, "images must have from 1 to"),
    (reconstruction_loss, "precision", "half", ValueError, "precision must be one of"),
    (reconstruction_loss, "mask_threshold", float("nan"), ValueError, "mask_threshold must be finite and not below 0"),
    (normalised_masked_l1, "mask_threshold", -1e-9, ValueError, "mask_threshold must be finite and not below 0"),
    (normalised_masked_l1, "mask_threshold", float("inf"), ValueError, "got inf"),
    (normalised_masked_l1, "mask_threshold", "dark", TypeError, "mask_threshold must be a number, got str"),
    (normalised_masked_l1, "images", torch.ones(H, W), ValueError, "images must be [B, H, W], got [8, 9]"),
    (normalised_masked_l1, "target", torch.ones(B, W, H), ValueError, "target must be [B, H, W] with"),
    (normalised_masked_l1, "backend", 3, ValueError, "backend must be one of triton, separable, got 3"),
    (splat_emitters, "xy", torch.zeros(4, 3), ValueError, "xy must be [E, 2], got [4, 3]"),
    (splat_emitters, "offsets", [0, 4], TypeError, "offsets must be an int64 tensor [B + 1], got list"),
    (
        splat_emitters,
        "offsets",
        torch.zeros(3),
        TypeError,
        "offsets must be an int64 tensor [B + 1], got torch.float32",
    ),
    (splat_emitters, "offsets", torch.tensor(4), ValueError, "offsets must be [B + 1], got []"),
    (
        splat_emitters,
        "offsets",
        torch.tensor([0, 5]),
        ValueError,
        "offsets must rise from 0 to E = 4, got 0 to 5",
    ),
    (splat_emitters, "offsets", torch.tensor([0, 3, 2, 4]), ValueError, "offsets must rise from 0 to E = 4"),
    (splat_emitters, "sigma", torch.ones(3), ValueError, "sigma must be [E] with E = 4, got [3]"),
    (splat_emitters, "sigma", torch.ones(4, 2, 1), ValueError, "sigma must be [E, 2] with E = 4, got [4, 2, 1]"),
    (splat_emitters, "sigma", -1.0, ValueError, "sigma must be above 0 and finite, got -1.0"),
    (
        splat_emitters,
        "sigma",
        None,
        TypeError,
        "sigma must be a number or a tensor [E] or [E, 2], got NoneType",
    ),
    (splat_emitters, "weights", torch.ones(4).double(), TypeError, "weights must be torch.float32"),
    (splat_psf, "xyz", torch.zeros(4, 2), ValueError, "xyz must be [E, 3], got [4, 2]"),
    (splat_psf, "psf", torch.ones(6, 3, 3), TypeError, "psf must be a PsfTable, got Tensor"),
    (splat_psf, "psf", PsfTable(torch.ones(6, 3), 0.0, 1.0), ValueError, "psf.coefficients must be [D+2, h, w]"),
    (splat_psf, "psf", PsfTable(torch.ones(5, 3, 3), 0.0, 1.0), ValueError, "at least 6 planes"),
    (splat_psf, "psf", PsfTable(torch.ones(6, 3, 0), 0.0, 1.0), ValueError, "from 1 to 1073741824 values"),
    (splat_psf, "psf", PsfTable(torch.ones(6, 3, 3), 0.0, -1.0), ValueError, "psf.z_step must be above 0"),
    (splat_psf, "psf", PsfTable(torch.ones(6, 3, 3).double(), 0.0, 1.0), TypeError, "psf.coefficients must be torch.f"),
    (splat_psf, "psf", PsfTable(torch.ones(6, 3, 3), float("nan"), 1.0), ValueError, "psf.z_first must be finite"),
    (splat_psf, "offsets", torch.tensor([0, 5]), ValueError, "offsets must rise from 0 to E = 4, got 0 to 5"),
    (splat_psf, "weights", torch.ones(3), ValueError, "weights must be [E] with E = 4, got [3]"),
    (splat_psf, "shape", (0, W), ValueError, "shape must be (H, W)"),
    (pose_scores, "xyz", torch.zeros(4, 2), ValueError, "xyz must be [E, 3], got [4, 2]"),
    (pose_scores, "offsets", torch.tensor([0, 1, 5]), ValueError, "offsets must rise from 0 to E = 4, got 0 to 5"),
    (pose_scores, "rotation", torch.eye(3), ValueError, "rotation must be [P, R, 3, 3] with P = 2, got [3, 3]"),
    (pose_scores, "rotation", torch.zeros(3, N, 3, 3), ValueError, "rotation must be [P, R, 3, 3] with P = 2, got [3,"),
    (pose_scores, "shift", torch.zeros(B, 3), ValueError, "shift must be [P, R, 3] with P = 2, R = 5, got [2, 3]"),
    (pose_scores, "log_density", torch.zeros(3, 4), ValueError, "log_density must be [D, H, W], got [3, 4]"),
    (pose_scores, "log_density", torch.zeros(3, 0, 4), ValueError, "log_density must have from 1 to 1073741824 voxels"),
    (pose_scores, "log_density", torch.zeros(3, 4, 5).double(), TypeError, "log_density must be torch.float32"),
    (
        pose_scores,
        "log_density",
        torch.zeros(3, 4, 5).requires_grad_(),
        ValueError,
        "log_density requires a gradient, but pose_scores has none: give log_density.detach()",
    ),
    (pose_scores, "voxel", 0.0, ValueError, "voxel must be above 0 and finite, got 0.0"),
    (pose_scores, "weights", torch.ones(3), ValueError, "weights must be [E] with E = 4, got [3]"),
    (psf_table, "values", torch.ones(3, 3, 3), ValueError, "values must have at least 4 planes"),
    (psf_table, "z_step", 0.0, ValueError, "z_step must be above 0 and finite, got 0.0"),
    (emitter_nll, "logits", torch.zeros(B, H), ValueError, "logits must be [B, H, W], got [2, 8]"),
    (emitter_nll, "mean", torch.zeros(B, 3, H, W), ValueError, "mean must be [B, 4, H, W] with B = 2"),
    (emitter_nll, "sigma", torch.ones(B, 4, W, H), ValueError, "sigma must be [B, 4, H, W] with B = 2"),
    (emitter_nll, "emitters", torch.zeros(4, 3), ValueError, "emitters must be [E, 4], got [4, 3]"),
    (emitter_nll, "offsets", torch.tensor([0, 4]), ValueError, "offsets must be [B + 1] with B = 2, got [2]"),
    (emitter_nll, "offsets", torch.tensor([0, 3, 2]), ValueError, "offsets must rise from 0 to E = 4"),
    (emitter_nll, "window", 4, ValueError, "window must be an odd number of pixels from 1 to 99, got 4"),
    (emitter_nll, "window", 5.0, ValueError, "window must be an odd number"),
    (emitter_nll, "backend", "cuda", ValueError, "backend must be one of triton, separable, got 'cuda'"),
    (
        fourier_correlation,
        "spectra",
        torch.ones(4, N),
        TypeError,
        "spectra must be complex64 or complex128, got torch.fl",
    ),
    (fourier_correlation, "spectra", torch.ones(4, dtype=SINGLE), ValueError, "spectra must be [P, K], got [4]"),
    (fourier_correlation, "spectra", [1.0], TypeError, "spectra must be a torch.Tensor [P, K], got list"),
    (
        fourier_correlation,
        "reference",
        torch.ones(3, 3, 3),
        TypeError,
        "reference must be a FourierReference, got Tensor",
    ),
    (
        fourier_correlation,
        "reference",
        FourierReference(torch.ones(3, 3, 4, dtype=SINGLE), 0.25),
        ValueError,
        "reference.values must be a cube of 1 to 1000 samples a side, got [3, 3, 4]",
    ),
    (
        fourier_correlation,
        "reference",
        FourierReference(torch.ones(3, 3, 3, dtype=SINGLE), 0.0),
        ValueError,
        "reference.step must be above 0",
    ),
    (fourier_correlation, "rotation", torch.eye(3), ValueError, "rotation must be [R, 3, 3], got [3, 3]"),
    (fourier_correlation, "shift", torch.zeros(1, 2), ValueError, "shift must be [S, 3], got [1, 2]"),
    (fourier_correlation, "frequencies", torch.zeros(4, 3), ValueError, "frequencies must be [K, 3] with K = 5"),
    (
        fourier_correlation,
        "weight",
        torch.ones(2, N),
        ValueError,
        "weight must be [1, K] or [P, K] with P = 4, got [2, 5]",
    ),
    (fourier_correlation, "weight", torch.ones(1, N).double(), TypeError, "weight must be torch.float32"),
    (fourier_reference, "volume", torch.ones(4, 4, 5), ValueError, "volume must be a cube [n, n, n]"),
    (fourier_reference, "padding", 0, ValueError, "padding must be a whole number of at least 1, got 0"),
    (fourier_reference, "highest", 0.6, ValueError, "highest must be at most 0.5 cycles per voxel, got 0.6"),
]


@pytest.mark.parametrize(
    ("function", "name", "value", "error", "message"),
    WRONG,
    ids=[f"{function.__name__}-{name}-{number}" for number, (function, name, *_) in enumerate(WRONG)],
)
def test_a_wrong_argument_is_named(
    function: Callable[..., torch.Tensor], name: str, value: object, error: type[Exception], message: str
) -> None:
    function(**GOOD[function])
    with pytest.raises(error) as raised:
        function(**{**GOOD[function], name: value})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("function", "name", "value", "message"),
    [
        (splat, "sigma", torch.tensor(0.0), "sigma must be above 0, got 0.0"),
        (splat, "sigma", torch.tensor([1.0, -2.0]), "sigma must be above 0, got -2.0"),
        (splat, "points", torch.full((N, 3), torch.nan), "points must be finite"),
        (splat, "shift", torch.full((B, 2), torch.inf), "shift must be finite"),
        (splat, "weights", torch.full((N,), torch.nan), "weights must be finite"),
        (splat, "point_sigma", torch.full((N,), -1.0), "point_sigma must not be below 0, got -1.0"),
        (splat_emitters, "sigma", torch.tensor([1.0, 0.0, 1.0, 1.0]), "sigma must be above 0, got 0.0"),
        (splat_emitters, "weights", torch.full((4,), torch.inf), "weights must be finite"),
        (splat_emitters, "xy", torch.full((4, 2), torch.nan), "xy must be finite"),
        (reconstruction_loss, "points", torch.full((N, 3), torch.nan), "points must be finite"),
        (reconstruction_loss, "target", torch.full((B, H, W), torch.nan), "target must be finite"),
        (reconstruction_loss, "sigma", torch.tensor(-1.0), "sigma must be above 0, got -1.0"),
        (normalised_masked_l1, "images", torch.full((B, H, W), torch.inf), "images must be finite"),
        (splat_psf, "xyz", torch.full((4, 3), torch.nan), "xyz must be finite"),
        (splat_psf, "psf", PsfTable(torch.full((6, 3, 3), torch.nan), 0.0, 1.0), "psf.coefficients must be finite"),
        (emitter_nll, "sigma", torch.zeros(B, 4, H, W), "sigma must be above 0, got 0.0"),
        (emitter_nll, "emitters", torch.full((4, 4), torch.inf), "emitters must be finite"),
        (pose_scores, "log_density", torch.full((3, 4, 5), -torch.inf), "log_density must be finite"),
        (fourier_correlation, "weight", torch.full((1, N), torch.nan), "weight must be finite"),
        (fourier_correlation, "spectra", torch.full((4, N), torch.nan, dtype=SINGLE), "spectra must be finite"),
    ],
    ids=lambda value: getattr(value, "__name__", value) if isinstance(value, str) or callable(value) else "",
)
def test_check_names_a_wrong_value(
    function: Callable[..., torch.Tensor], name: str, value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(**{**GOOD[function], name: value}, check=True)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    assert splat(**{**GOOD[splat], "shape": (np.int64(H), np.int32(W))}).shape == (B, H, W)


def test_the_triton_backend_takes_no_cpu_tensors_and_says_what_would() -> None:
    if torch.cuda.is_available():
        pytest.skip("says so only where tensors aren't on CUDA")
    with pytest.raises(ValueError, match="'triton' takes CUDA tensors, got cpu"):
        splat(**GOOD[splat], backend="triton")


def test_devices_of_amd_get_the_backend_that_is_pytorchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ROCm a tensor says that it is on CUDA."""
    monkeypatch.setattr(torch.version, "hip", "6.4")
    like = SimpleNamespace(is_cuda=True, dtype=torch.float32, device="cuda:0")
    assert choose_backend(None, like) == "separable"  # type: ignore[arg-type]
    pytest.importorskip("triton")
    with pytest.raises(ValueError, match="NVIDIA"):
        choose_backend("triton", like)  # type: ignore[arg-type]
    monkeypatch.setattr(torch.version, "hip", None)
    assert choose_backend(None, like) == "triton"  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [getattr(kernels, name) for name in kernels.__all__], ids=lambda f: f.__name__)
def test_the_example_in_the_docstring_runs(function: Callable[..., torch.Tensor]) -> None:
    globs = vars(importlib.import_module(function.__module__)).copy()
    tests = [test for test in doctest.DocTestFinder().find(function, globs=globs) if test.examples]
    assert tests, f"{function.__name__} has no example"
    for test in tests:
        result = doctest.DocTestRunner().run(test)
        assert result.failed == 0
