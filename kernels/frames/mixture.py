r"""``emitter_nll``: how unlikely the output of a localisation network makes each true emitter.

The network gives for every pixel k of a frame the logit of a probability p_k and, for a = x, y, z and log photons, a
mean mu_ka and a deviation sigma_ka. An emitter u is a draw from a mixture over the pixels of a window W about it, of
which each has its share of the frame's probability (Speiser et al. 2021, there over the whole frame)::

    l_k = log p_k - log(sum_j p_j) - sum_a [ (u_a - mu_ka)^2 / (2 sigma_ka^2) + log sigma_ka + log(2 pi) / 2 ]
    nll = -log(sum_{k in W} exp(l_k))

The sum over j runs over the whole frame. With the responsibilities ``r_k = exp(l_k + nll)``, which sum to 1 over W,
the offset ``d = u_a - mu_ka``, and g the incoming gradient of each emitter::

    dL/dmu_ka    = -sum_e  g_e r_ek d / sigma_ka^2
    dL/dsigma_ka = -sum_e  g_e r_ek (d^2 / sigma_ka^2 - 1) / sigma_ka
    dL/dlogit_k  = (1 - p_k) [ p_k / (sum_j p_j) sum_e g_e - sum_e g_e r_ek ]

where e runs over the emitters in whose window k lies, and in the sum of g_e over all emitters of the frame that have a
pixel in their window. Of the terms l_k none is kept: the backward pass computes them again.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ..arguments import (
    Backend,
    check_offsets,
    check_pictures,
    check_tensor,
    check_values,
    check_window,
    choose_backend,
    read_offsets,
)  # fmt: skip
from ..autograd import differentiable_once, public_operation
from .output import Output
from .scatter import add_at, frame_of_emitters

TERMS = 4
"""Components of an emitter: x, y, z, log photons."""
HALF_LOG_TAU = math.log(2 * math.pi) / 2
FAR = 2.0**29
"""A coordinate in pixels outside any frame, which a whole number of 32 bits holds."""


class _Windows(NamedTuple):
    """The K pixels about each of E emitters, and the output there; index 0 stands for pixels outside the frame."""

    inside: Tensor  # [E, K]
    pixel: Tensor  # [E, K]: index into [B H W]
    entry: Tensor  # [E, 4, K]: index into [B 4 H W]
    offset: Tensor  # [E, 4, K]: d
    sigma: Tensor  # [E, 4, K]: 1 outside
    likelihood: Tensor  # [E, K]: l; -inf outside


def first_pixel(position: Tensor, length: int, window: int) -> Tensor:
    """First pixel ``[E]`` of a window along an axis, about the pixel that holds the emitter; far outside for a NaN."""
    cell = (position + length / 2).floor().nan_to_num(FAR, FAR, -FAR).clamp(-FAR, FAR)
    return cell.long() - window // 2


def log_total_probability(logits: Tensor) -> Tensor:
    """``log sum_j p_j`` of every frame ``[B]``."""
    return logsigmoid(logits).flatten(1).logsumexp(1)


def _at(part: Tensor, index: Tensor) -> Tensor:
    """Elements of a contiguous tensor; over twenty times as fast as ``take`` of a strided one on a CPU."""
    return part.view(-1).index_select(0, index.view(-1)).view(index.shape)


def _windows(output: Output, emitters: Tensor, frame: Tensor, log_total: Tensor, window: int) -> _Windows:
    _, height, width = output.logits.shape
    pixels = height * width
    along = torch.arange(window, device=frame.device)
    i = first_pixel(emitters[:, 1], height, window)[:, None, None] + along[:, None]  # [E, window, 1]
    j = first_pixel(emitters[:, 0], width, window)[:, None, None] + along  # [E, 1, window]
    inside = ((i >= 0) & (i < height) & (j >= 0) & (j < width)).flatten(1)  # [E, K]
    local = (i * width + j).flatten(1)
    pixel = torch.where(inside, local + frame[:, None] * pixels, 0)
    term = torch.arange(TERMS, device=frame.device)[:, None]
    entry = torch.where(inside[:, None], local[:, None] + (frame[:, None, None] * TERMS + term) * pixels, 0)
    offset = emitters[:, :, None] - _at(output.mean, entry)
    # Means of x and y count from the pixel's centre.
    offset[:, 0] -= (j - (width - 1) / 2).expand(-1, window, -1).flatten(1)
    offset[:, 1] -= (i - (height - 1) / 2).expand(-1, -1, window).flatten(1)
    sigma = torch.where(inside[:, None], _at(output.sigma, entry), 1)
    density = -((offset / sigma).square() / 2 + sigma.log()).sum(1) - TERMS * HALF_LOG_TAU
    likelihood = logsigmoid(_at(output.logits, pixel)) - log_total[frame, None] + density
    return _Windows(inside, pixel, entry, offset, sigma, likelihood.masked_fill_(~inside, -torch.inf))


class _EmitterNll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, emitters: Tensor, offsets: Tensor, window: int, *parts: Tensor) -> Tensor:
        output = Output(*(part.contiguous() for part in parts))
        frame, log_total = frame_of_emitters(offsets, len(emitters)), log_total_probability(output.logits)
        found = _windows(output, emitters, frame, log_total, window)
        nowhere = torch.where(emitters[:, :2].isnan().any(1), torch.nan, 0.0)
        nll = torch.where(found.inside.any(1), -found.likelihood.logsumexp(1), nowhere.to(emitters))
        ctx.window = window
        ctx.save_for_backward(emitters, frame, log_total, nll, *output)
        return nll

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_nll: Tensor) -> tuple[Tensor | None, ...]:
        emitters, frame, log_total, nll, *parts = ctx.saved_tensors
        output = Output(*parts)
        found = _windows(output, emitters, frame, log_total, ctx.window)
        inside = found.inside[:, None]
        pull = grad_nll[:, None] * torch.exp(found.likelihood + nll[:, None])  # [E, K]
        slope = found.offset / found.sigma
        grad_mean, grad_sigma = (torch.zeros_like(part) for part in output[1:])
        each_mean = -pull[:, None] * slope / found.sigma
        each_sigma = -pull[:, None] * (slope.square() - 1) / found.sigma
        add_at(grad_mean.view(-1), found.entry, torch.where(inside, each_mean, 0))
        add_at(grad_sigma.view(-1), found.entry, torch.where(inside, each_sigma, 0))
        pulled = torch.zeros_like(output.logits)
        add_at(pulled.view(-1), found.pixel, torch.where(found.inside, pull, 0))
        by_frame = torch.zeros_like(log_total)
        add_at(by_frame, frame, torch.where(found.inside.any(1), grad_nll, 0))
        share = torch.exp(logsigmoid(output.logits) - log_total[:, None, None])  # p / sum p
        grad_logits = torch.sigmoid(-output.logits) * (share * by_frame[:, None, None] - pulled)
        return None, None, None, grad_logits, grad_mean, grad_sigma


@public_operation
def emitter_nll(
    logits: Tensor,
    mean: Tensor,
    sigma: Tensor,
    emitters: Tensor,
    offsets: Tensor,
    *,
    window: int = 5,
    backend: Backend | None = None,
    check: bool = False,
) -> Tensor:
    """Negative logarithm of each emitter's likelihood under a mixture of Gaussians, one a pixel of a window about it.

    A pixel's weight is its share of the frame's probability; its Gaussian has a mean and a deviation for x, y, z and
    log photons (Speiser et al. 2021). The window, in place of the whole frame, is about the pixel that holds the emitter
    and ends at the frame's edge. An emitter without a pixel of the frame in its window has a value and a pull of 0.
    The same input gives the same bits. It is differentiable once, in logits, mean and sigma; second derivatives
    (``create_graph=True``) raise NotImplementedError.

    Args:
        logits: Logit of the probability that a pixel detects an emitter, ``[B, H, W]``.
        mean: ``[B, 4, H, W]``: x and y of the emitter in pixels from the pixel's centre, z and log photons in the
            units of ``emitters``.
        sigma: Their deviations ``[B, 4, H, W]``, above 0.
        emitters: Of all frames, concatenated, ``[E, 4]``: x and y in pixels from the frame's centre
            ((W-1)/2, (H-1)/2), z and log photons in any unit; no gradient.
        offsets: ``[B + 1]`` int64 on any device, from 0 to E, never decreasing: emitters ``offsets[b]`` to
            ``offsets[b + 1]`` are in frame b. Their values are checked where that costs nothing: on CUDA only with
            ``check``.
        window: Side of the window, pixels: an odd number.
        backend: ``"triton"`` (float32 on CUDA), ``"separable"`` (PyTorch on any device), or None to choose by device
            and dtype.
        check: Also check values (finite, sigma above 0, offsets in order), which waits for the device.

    Returns:
        ``[E]``.

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape, device or, with ``check``, value.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import emitter_nll
        >>> logits, mean, sigma = torch.full((1, 8, 8), -9.0), torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8)
        >>> logits[0, 3, 5] = 9.0
        >>> right_or_wrong = torch.tensor([[1.5, -0.5, 0.0, 0.0], [-3.5, -0.5, 0.0, 0.0]])
        >>> [round(value, 1) for value in emitter_nll(logits, mean, sigma, right_or_wrong, torch.tensor([0, 2])).tolist()]
        [3.7, 11.2]
    """
    logits = check_pictures("logits", logits)
    frames, height, width = logits.shape
    sizes = {"B": frames, "H": height, "W": width}
    mean = check_tensor("mean", mean, f"B {TERMS} H W", logits, **sizes)
    sigma = check_tensor("sigma", sigma, f"B {TERMS} H W", logits, **sizes)
    emitters = check_tensor("emitters", emitters, f"E {TERMS}", logits).detach()
    offsets = check_offsets(offsets)
    if len(offsets) != frames + 1:
        raise ValueError(f"offsets must be [B + 1] with B = {frames}, got {list(offsets.shape)}")
    window = check_window(window)
    chosen = choose_backend(backend, logits)
    if check:
        check_values(logits=logits, mean=mean, sigma=sigma, emitters=emitters)
    # Reading offsets back would stall a GPU; frames are clamped.
    if check or not offsets.is_cuda:
        read_offsets(offsets, len(emitters))
    offsets = offsets.to(logits.device)
    if chosen == "triton":
        from .triton_mixture import emitter_nll_triton

        return emitter_nll_triton(Output(logits, mean, sigma), emitters, offsets, window)
    nll: Tensor = _EmitterNll.apply(emitters, offsets, window, logits, mean, sigma)  # type: ignore[no-untyped-call,unused-ignore]
    return nll
