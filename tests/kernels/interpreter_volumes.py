"""The Triton kernel of volumes on the CPU, under TRITON_INTERPRET=1, against the dense float64 oracle.

``test_interpreter.py`` starts it with the others in a process of their own, and ``TRITON_INTERPRET=1 pytest
tests/kernels/interpreter_volumes.py`` runs it alone.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from holly_triton.harness.cases import make_inputs
from holly_triton.harness.compare import compare
from holly_triton.harness.ops.volumes import OPERATIONS, VolumeCase
from holly_triton.kernels import FourierReference, fourier_correlation
from holly_triton.kernels.launch import INTERPRETED
from holly_triton.kernels.volumes import triton_correlation

assert INTERPRETED, "run with TRITON_INTERPRET=1"

BLOCKS = VolumeCase("fourier_correlation", 35, 11, 8, 8, label="more than a block of rows and of rotations")
CASES = [case for case in OPERATIONS["fourier_correlation"].edges("ieee") if case.label != "plain"] + [BLOCKS]


def given(case: VolumeCase) -> dict[str, Any]:
    """Arguments of ``fourier_correlation`` in single precision."""
    parts = make_inputs(case, 1).to(torch.float32).arguments
    values, step = (parts.pop(name) for name in ("values", "step"))
    parts["spectra"] = torch.view_as_complex(parts["spectra"])
    return {**parts, "reference": FourierReference(torch.view_as_complex(values), step)}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_kernel_agrees_with_the_oracle(case: VolumeCase) -> None:
    comparison = compare(case, "triton", make_inputs(case))
    assert not comparison.wrong, comparison


@pytest.mark.parametrize("name", ["spectra", "rotation", "shift"])
def test_a_nan_is_seen_in_its_own_scores_alone(name: str) -> None:
    arguments = given(VolumeCase("fourier_correlation", 5, 4, 6, 6, shifts=3))
    arguments[name] = arguments[name].clone()
    arguments[name][1].view(-1)[0] = torch.nan
    scores = fourier_correlation(**arguments, backend="triton")
    bad = torch.zeros_like(scores, dtype=torch.bool)
    bad.select({"spectra": 0, "rotation": 1, "shift": 2}[name], 1)[:] = True
    assert torch.equal(scores.isnan(), bad)
    torch.testing.assert_close(scores, fourier_correlation(**arguments), equal_nan=True, rtol=1e-4, atol=1e-5)


def test_the_kernel_is_given_what_it_was_inspected_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices start anywhere; a kernel on them would be a variant of its own, unseen by the ahead-of-time gate."""

    def launch(kernel: Any, programs: int, *arguments: Any, **constants: Any) -> None:
        assert all(part.data_ptr() % 16 == 0 for part in arguments if isinstance(part, Tensor))
        right(kernel, programs, *arguments, **constants)

    right = triton_correlation.launch
    monkeypatch.setattr(triton_correlation, "launch", launch)
    arguments = given(VolumeCase("fourier_correlation", 3, 2, 4, 4))
    for name in ("rotation", "shift", "frequencies", "weight", "spectra"):
        flat = arguments[name].flatten()
        arguments[name] = torch.cat([flat[:1], flat])[1:].view_as(arguments[name])
    scores, again = (fourier_correlation(**arguments, backend="triton") for _ in range(2))
    assert torch.equal(scores, again)
