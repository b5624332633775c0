"""From the ten outputs of each pixel to detections: peaks of the probability, and one detection for each emitter.

An emitter near the border of two pixels gives both a share of its probability, so the shares of a cross of five pixels are
added at its peak (Speiser 2021). Two emitters in neighbouring pixels have one peak: a pixel beside it that is likely to hold
one is detected too. Where this finds an emitter twice, the two predictions lie closer together than their own widths.
"""

import torch
from torch import Tensor
from torch.nn import functional

from holly_triton.frames.config.localisation import CROWD_PX
from holly_triton.frames.detections import Detections
from holly_triton.frames.network.outputs import BACKGROUND, MEAN, SIGMA, Scales, photons_of

SURE = 0.6
"""Probability from which a pixel beside a peak holds an emitter of its own."""
CROSS = ((0.0, 1.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0))
PEAK_SHARE = 1 / 3
"""A peak has at least this share of the lowest probability that is sought; the rest may be its neighbours'."""
NEAR = 0.5
"""Predictions nearer than this many joint standard deviations are of one emitter."""
WINDOW = 3
"""Pixels on each side of a prediction's own in which others of the same emitter can be."""


def mixture_detections(output: Tensor, rough: Tensor, scales: Scales, lowest: float) -> Detections:
    """Detections of at least a probability in frames whose outputs are ``[B, 10, H, W]`` and rough background ``[B]``."""
    score, crowding = _scores(output[:, :1], lowest), _crowding(output[:, :1])
    frame, row, column = (score > lowest).nonzero(as_tuple=True)
    values = output[frame, :, row, column]
    mean, half = values[:, MEAN], torch.stack([column, row], dim=1) + 0.5
    unit = values.new_tensor([scales.pixel_nm, scales.pixel_nm, scales.z_half_nm, 1.0])
    z = scales.z_middle_nm + scales.z_half_nm * mean[:, 2:3]
    found = Detections(
        frame=frame,
        xyz=torch.cat([(mean[:, :2] + half) * scales.pixel_nm, z], dim=1),
        photons=photons_of(mean[:, 3], rough[frame]),
        background=values[:, BACKGROUND] * rough[frame],
        probability=score[frame, row, column],
        sigma=values[:, SIGMA] * unit,
        crowding=crowding[frame, row, column],
    )
    return found.take(_single(found, row, column, score.shape))


def _scores(logit: Tensor, lowest: float) -> Tensor:
    """Probability ``[B, H, W]`` of a detection at each pixel, of logits ``[B, 1, H, W]``; 0 where there is none."""
    probability = logit.sigmoid()
    # Of logits, since probabilities near 1 are equal in float32 and would all be peaks.
    peak = (logit == functional.max_pool2d(logit, 3, 1, 1)) & (probability > PEAK_SHARE * lowest)
    summed = functional.conv2d(probability, logit.new_tensor(CROSS)[None, None], padding=1)
    beside = torch.where(probability > SURE, probability, 0.0)
    return torch.where(peak, summed, beside).clamp(max=1)[:, 0]


def _crowding(logit: Tensor) -> Tensor:
    """Expected number of emitters ``[B, H, W]`` in a square about each pixel, of logits ``[B, 1, H, W]``."""
    mean = logit.sigmoid()
    for side in ((CROWD_PX, 1), (1, CROWD_PX)):
        mean = functional.avg_pool2d(mean, side, 1, (side[0] // 2, side[1] // 2))
    return CROWD_PX**2 * mean[:, 0]


def _single(found: Detections, row: Tensor, column: Tensor, shape: torch.Size) -> Tensor:
    """Which detections ``[K]`` to keep, so that no two are of one emitter: the likelier one of two, the likeliest first."""
    near, ahead = _rivals(found, row, column, shape)
    kept = torch.zeros_like(found.frame, dtype=torch.bool)
    decided = kept.clone()
    # Each round settles those whose likelier rivals are settled; chains of rivals are short, so that rounds are few.
    while not bool(decided.all()):
        beaten = (ahead & kept[near]).any(1)
        waiting = (ahead & ~decided[near]).any(1)
        kept |= ~beaten & ~waiting & ~decided
        decided |= beaten | ~waiting
    return kept


def _rivals(found: Detections, row: Tensor, column: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Detections in the window about each ``[K, window^2]``, and whether they are likelier ones of the same emitter."""
    count = len(row)
    index = row.new_full((shape[0], shape[1] + 2 * WINDOW, shape[2] + 2 * WINDOW), -1)
    index[found.frame, row + WINDOW, column + WINDOW] = torch.arange(count, device=row.device)
    step = torch.arange(2 * WINDOW + 1, device=row.device)
    near = index[found.frame[:, None, None], row[:, None, None] + step[:, None], column[:, None, None] + step].flatten(
        1
    )
    there, near = near >= 0, near.clamp(min=0)
    if not count:
        return near, there
    apart = (found.xyz[:, None] - found.xyz[near]) ** 2
    joint = NEAR**2 * (found.sigma[:, None, :3] ** 2 + found.sigma[near][..., :3] ** 2)
    same = (apart[..., :2].sum(2) < joint[..., :2].sum(2)) & (apart[..., 2] < joint[..., 2])
    mine, theirs = found.probability[:, None], found.probability[near]
    order = torch.arange(count, device=row.device)[:, None]
    return near, there & same & ((theirs > mine) | ((theirs == mine) & (near < order)))
