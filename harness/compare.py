"""Whether a backend agrees with the dense float64 oracle, and by how much.

L1 has no gradient where output equals target, nor where the target crosses the mask's threshold: rounding
there flips a sign, and one flipped sign outweighs all else. So targets are moved away from ties first.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from holly_triton.kernels.gaussians import reference

from .baselines import forward_backward
from .cases import Case, Inputs, make_inputs

ORACLE_VALUES = 2**20
"""Gaussian values that the oracle holds at once on a CPU, 8 MiB: what stays in its cache."""


Answer = tuple[Tensor, dict[str, Tensor]]
"""What an operation returns, and its gradients by argument."""


@dataclass(frozen=True)
class Tolerance:
    """Bounds on an error: of every element (against the largest one), relative L2, and 1 - cosine."""

    element: float
    relative_l2: float
    cosine: float


TOLERANCES: dict[str, tuple[Tolerance, Tolerance | None]] = {
    # Rounding of float64 (1e-16), times the size of an exponent (up to 36) and of sums that nearly cancel.
    "float64": (Tolerance(1e-11, 1e-12, 1e-12), Tolerance(1e-10, 1e-11, 1e-11)),
    # float32 keeps 6e-8. An exponent loses its size times that: 1e-6 is usual, ten times that in gradients.
    "ieee": (Tolerance(3e-5, 3e-5, 1e-9), Tolerance(1e-4, 3e-5, 1e-9)),
    # Three products of 11-bit halves drop that of the low halves, 2^-22: as good as float32 here.
    "tf32x3": (Tolerance(3e-5, 3e-5, 1e-9), Tolerance(1e-4, 3e-5, 1e-9)),
    # Operands of 11 bits: 5e-4 each, averaged over a sum. Signs of the loss flip within that, so
    # gradients are reported and not bounded.
    "tf32": (Tolerance(1e-2, 2e-3, 1e-5), None),
}
"""For each precision, of what an operation returns and of its gradients."""


@dataclass(frozen=True)
class Difference:
    """How far one tensor is from the oracle's; a NaN is as far as can be."""

    name: str
    element: float
    relative_l2: float
    cosine: float

    @staticmethod
    def between(name: str, given: Tensor, wanted: Tensor, least: float = 0.0) -> "Difference":
        """Errors relative to what is wanted, or to ``least`` if larger; where both are 0, absolute."""
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
        """Whether any of the three is out of bounds."""
        return (
            self.element > tolerance.element
            or self.relative_l2 > tolerance.relative_l2
            or self.cosine > tolerance.cosine
        )


@dataclass(frozen=True)
class Comparison:
    """A backend against the oracle on one case."""

    case: Case
    backend: str
    out: Difference
    gradients: tuple[Difference, ...]
    wrong: tuple[Difference, ...]

    @property
    def error_gradient(self) -> float | None:
        """The worst relative L2 of any argument's gradient."""
        return max((difference.relative_l2 for difference in self.gradients), default=None)

    def __str__(self) -> str:
        """What is wrong, for a person."""
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
    """Run a backend on ``inputs``, away from ties, and compare with the oracle's ``answer``."""
    wanted, wanted_gradients = answer or oracle(case, inputs.to(torch.float64, device))
    given, gradients = forward_backward(case, backend, inputs.to(dtype, device))
    of_out, of_gradients = TOLERANCES["float64" if dtype == torch.float64 else case.precision]
    out = Difference.between("what it returns", given, wanted)
    # Sums over all points can cancel by chance. Their terms are as large as the gradients of the points.
    least = float(wanted_gradients["points"].norm()) if "points" in wanted_gradients else 0.0
    differences = tuple(
        Difference.between(f"gradient of {name}", gradients[name], wanted, least if name in ("shift", "sigma") else 0.0)
        for name, wanted in wanted_gradients.items()
    )
    wrong = [out] if out.exceeds(of_out) else []
    wrong += [difference for difference in differences if of_gradients and difference.exceeds(of_gradients)]
    return Comparison(case, backend, out, differences, tuple(wrong))


def oracle(case: Case, inputs: Inputs) -> Answer:
    """The dense float64 answer and its gradients, drawn a few points at a time so that it fits in memory."""
    if case.op == "normalised_masked_l1":
        return forward_backward(case, "dense", inputs)
    if case.op == "splat_emitters":
        return _emitters(case, inputs), {}
    arguments = dict(inputs.arguments)
    target, mask_threshold = arguments.pop("target", None), arguments.pop("mask_threshold", None)
    arguments["shape"] = (case.height, case.width)
    per_point = {name: arguments.pop(name) for name in ("points", "weights", "point_sigma") if name in arguments}
    step = _points_at_once(case, len(inputs.cotangent), inputs.cotangent.device)
    blocks = [slice(start, start + step) for start in range(0, case.points, step)]
    with torch.no_grad():
        images = torch.zeros_like(inputs.cotangent) if target is None else torch.zeros_like(target)
        for block in blocks:
            images += reference.splat(**arguments, **{name: value[block] for name, value in per_point.items()})
    out, grad_images = images, inputs.cotangent
    if target is not None:
        images.requires_grad_()
        out = reference.normalised_masked_l1(images, target, mask_threshold=mask_threshold)
        (grad_images,) = torch.autograd.grad(out, images, inputs.cotangent)
    leaves = {name: inputs.arguments[name] for name in inputs.differentiable}
    gradients = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    for block in blocks if leaves else []:
        part = reference.splat(**arguments, **{name: value[block] for name, value in per_point.items()})
        found = torch.autograd.grad(part, list(leaves.values()), grad_images)
        for name, gradient in zip(leaves, found, strict=True):
            gradients[name] += gradient
    return out.detach(), gradients


def _emitters(case: Case, inputs: Inputs) -> Tensor:
    """One picture at a time, a few emitters at a time."""
    images = torch.zeros_like(inputs.cotangent)
    step = _points_at_once(case, 1, images.device)
    for image in range(len(images)):
        one = inputs.pictures(slice(image, image + 1)).arguments
        own = [name for name in ("xy", "weights", "sigma") if name in one and one[name].ndim > 0]
        for start in range(0, len(one["xy"]), step):
            arguments: dict[str, Any] = {**one, **{name: one[name][start : start + step] for name in own}}
            arguments["offsets"] = torch.tensor([0, len(arguments["xy"])])
            images[image] += reference.splat_emitters(**arguments)[0]
    return images


def _points_at_once(case: Case, images: int, device: torch.device) -> int:
    values = ORACLE_VALUES * (64 if device.type == "cuda" else 1)
    return max(1, values // max(1, images * case.height * case.width))


def validation_inputs(case: Case, seed: int, images: int | None = None, device: str = "cpu") -> Inputs:
    """The case's inputs (of its first few pictures), with any target moved away from ties."""
    inputs = make_inputs(case, seed).pictures(slice(0, images))
    if "target" not in inputs.arguments:
        return inputs
    drawn = inputs.arguments.get("images")
    if drawn is None:
        arguments = {**inputs.arguments, "shape": (case.height, case.width)}
        del arguments["target"], arguments["mask_threshold"]
        splat = Inputs(arguments, (), inputs.arguments["target"])
        drawn = oracle(dataclasses.replace(case, op="splat"), splat.to(torch.float64, device))[0].cpu()
    target = away_from_ties(drawn.detach(), inputs.arguments["target"].detach(), case.mask_threshold)
    return dataclasses.replace(inputs, arguments={**inputs.arguments, "target": target})


def away_from_ties(images: Tensor, target: Tensor, mask_threshold: float) -> Tensor:
    """The target with pixels brightened that nearly equal the output, or nearly the mask's threshold.

    The margin, 1e-4 of the brightest pixel, is a hundred times what float32 makes of a picture.
    """
    output = reference.normalise(images, 1.0)
    for _ in range(50):
        wanted = reference.normalise(target, 1.0)
        margin = 1e-4 * torch.maximum(output, wanted).amax((1, 2), keepdim=True)
        threshold = mask_threshold / 100
        tied = ((output - wanted).abs() < margin) & (wanted > threshold / 2) | (
            (wanted - threshold).abs() < 1e-3 * threshold
        )
        if not bool(tied.any()):
            return target
        brighter = target + 3 * margin * target.sum((1, 2), keepdim=True)
        target = torch.where(tied, brighter, target).float().double()
    raise RuntimeError("a target could not be moved away from ties with the output")
