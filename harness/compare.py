"""Comparison of a backend with the dense float64 oracle."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .baselines import forward_backward
from .cases import Answer, Case, Inputs, make_inputs
from .ops import OPERATIONS


@dataclass(frozen=True)
class Tolerance:
    """Bounds on an error: of every element (against the largest one), relative L2, and 1 - cosine."""

    element: float
    relative_l2: float
    cosine: float


TOLERANCES: dict[str, tuple[Tolerance, Tolerance | None]] = {
    # Rounding of float64 (1e-16), times the size of an exponent (up to 36) and of sums that nearly cancel.
    "float64": (Tolerance(1e-11, 1e-12, 1e-12), Tolerance(1e-10, 1e-11, 1e-11)),
    # The rounding of float32 is 6e-8. An exponent loses that times its size: 1e-6 is usual, ten times that in gradients.
    "ieee": (Tolerance(3e-5, 3e-5, 1e-9), Tolerance(1e-4, 3e-5, 1e-9)),
    # Three products of 11-bit halves drop that of the low halves, 2^-22: as good as float32 here.
    "tf32x3": (Tolerance(3e-5, 3e-5, 1e-9), Tolerance(1e-4, 3e-5, 1e-9)),
    # The same of 8-bit halves drop 2^-16 or less: 5e-6 on average.
    "bf16x3": (Tolerance(3e-5, 3e-5, 1e-9), Tolerance(1e-4, 3e-5, 1e-9)),
    # Operands of 11 bits: 5e-4 each, averaged over a sum. Signs of the loss flip within that, so
    # gradients are reported and not bounded.
    "tf32": (Tolerance(1e-2, 2e-3, 1e-5), None),
}
"""Bounds for each precision, on the result of an operation and on its gradients."""


@dataclass(frozen=True)
class Difference:
    """Error of one tensor relative to the oracle's; a NaN counts as infinite."""

    name: str
    element: float
    relative_l2: float
    cosine: float

    @staticmethod
    def between(name: str, given: Tensor, wanted: Tensor, least: float = 0.0) -> "Difference":
        """Errors relative to the expected values, or to ``least`` if larger; where both are 0, absolute."""
        given, wanted = given.detach().double().cpu(), wanted.detach().double().cpu()
        if given.shape != wanted.shape or not bool(torch.isfinite(given).all()):
            return Difference(name, torch.inf, torch.inf, torch.inf)
        if wanted.numel() == 0:
            return Difference(name, 0.0, 0.0, 0.0)
        error = given - wanted
        norm, peak = max(float(wanted.norm()), least) or 1.0, max(float(wanted.abs().max()), least) or 1.0
        # 1 - cosine without its cancellation: half the squared distance of the unit vectors.
        units = [vector / (vector.norm() or 1.0) for vector in (given, wanted)]
        cosine = float((units[0] - units[1]).square().sum()) / 2 if float(wanted.norm()) > least else 0.0
        return Difference(name, float(error.abs().max()) / peak, float(error.norm()) / norm, cosine)

    def exceeds(self, tolerance: Tolerance) -> bool:
        """Whether any of the three errors exceeds its bound."""
        return (
            self.element > tolerance.element
            or self.relative_l2 > tolerance.relative_l2
            or self.cosine > tolerance.cosine
        )


@dataclass(frozen=True)
class Comparison:
    """Comparison of a backend with the oracle on one case."""

    case: Case
    backend: str
    out: Difference
    gradients: tuple[Difference, ...]
    wrong: tuple[Difference, ...]

    @property
    def error_gradient(self) -> float | None:
        """The largest relative L2 error of any argument's gradient."""
        return max((difference.relative_l2 for difference in self.gradients), default=None)

    def __str__(self) -> str:
        """The verdict in words."""
        wrong = "; ".join(
            f"{d.name} (element {d.element:.1e}, relative L2 {d.relative_l2:.1e}, 1 - cosine {d.cosine:.1e})"
            for d in self.wrong
        )
        verdict = f"differs from float64 in {wrong}" if wrong else "agrees with float64"
        return f"{self.case}, {self.backend}: {verdict}"


def compare(
    case: Case,
    backend: str,
    inputs: Inputs,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    answer: Answer | None = None,
) -> Comparison:
    """Run a backend on ``inputs`` without ties, and compare with the oracle's ``answer``."""
    wanted, wanted_gradients = answer or oracle(case, inputs.to(torch.float64, device))
    given, gradients = forward_backward(case, backend, inputs.to(dtype, device))
    of_out, of_gradients = TOLERANCES["float64" if dtype == torch.float64 else case.precision]
    out = Difference.between("the result", given, wanted)
    terms = OPERATIONS[case.op].summed
    differences = tuple(
        Difference.between(
            f"gradient of {name}", gradients[name], wanted,
            float(wanted_gradients[terms[name]].norm()) if name in terms else 0.0,
        )
        for name, wanted in wanted_gradients.items()
    )  # fmt: skip
    wrong = [out] if out.exceeds(of_out) else []
    wrong += [difference for difference in differences if of_gradients and difference.exceeds(of_gradients)]
    return Comparison(case, backend, out, differences, tuple(wrong))


def oracle(case: Case, inputs: Inputs) -> Answer:
    """The exact answer for float64 inputs, and its gradients."""
    return OPERATIONS[case.op].oracle(case, inputs)


def validation_inputs(case: Case, seed: int, images: int | None = None, device: str = "cpu") -> Inputs:
    """The case's inputs (of its first few pictures), moved away from values at which rounding decides."""
    return OPERATIONS[case.op].settled(case, make_inputs(case, seed).pictures(slice(0, images)), device)
