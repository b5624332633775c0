"""The exact likelihood of flat particles, each localisation by itself, and the gradient of the cloud."""

import torch
from torch import Tensor

from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.data import Localisations
from holly_triton.particles.data.ragged import runs
from holly_triton.particles.spatial.mixture import Model, Padded, Weighed, expected
from holly_triton.particles.spatial.particles import variances


def flat_model(state: TrainingState, background_nm: float, widened_nm: float = 0.0) -> Model:
    """The cloud as a density of localisations.

    Args:
        state: Of the run.
        background_nm: Width of the background, a Gaussian about each particle's centre.
        widened_nm: Blur of the points in addition to their own.
    """
    variance = (2 * state.log_blur).exp() + widened_nm**2
    spread = variance.new_tensor(background_nm**2)
    return Model(state.points, variance, state.background.sigmoid(), spread, tuple(state.sizes))


def flat_particles(
    data: Localisations, index: Tensor, most: int, generator: torch.Generator, channels: tuple[str, ...] = ()
) -> Padded:
    """Localisations of some particles ``[B]`` about their centroids, at most ``most`` of each, drawn at random.

    They are on the device of the index; a table on the disk is not. With ``channels``, which of these each is of is known.
    """
    own = index.to(data.starts.device)
    xyz, offsets = data.emitters(own)
    rows = runs(data.starts[own], data.counts[own]).rows
    variance = variances(data.precision, rows)
    each = xyz.new_zeros(len(xyz)) if variance is None else variance
    channel = data.channel_among(channels, rows)
    xyz, offsets, each, channel = (part.to(index.device) for part in (xyz, offsets, each, channel))
    counts = offsets.diff()
    slot = torch.rand(len(index), int(counts.max()), generator=generator, device=index.device)
    there = torch.arange(slot.shape[1], device=index.device) < counts[:, None]
    slot = slot.masked_fill(~there, 2.0).argsort(dim=1)[:, :most]  # the first of a random order
    there = torch.arange(slot.shape[1], device=index.device) < counts[:, None]
    row = torch.where(there, offsets[:-1, None] + slot, 0)
    padded = Padded(xyz[row, :2], each[row, None].expand(-1, -1, 2), there.to(xyz.dtype))
    if not channels:
        return padded
    of = there[..., None] & (channel[row][..., None] == torch.arange(len(channels), device=index.device))
    return padded._replace(membership=of.to(xyz.dtype))


def differentiate(state: TrainingState, model: Model, data: Padded, poses: Weighed) -> None:
    """Leave the gradient of the mean negative log-likelihood of a localisation in the state's points, blur and background.

    Args:
        state: Of the run.
        model: Its cloud, perhaps blurred further.
        data: Some particles.
        poses: Their poses.
    """
    found = expected(model, data, poses)
    count = data.mask.sum()
    state.points.grad = -found.points / count
    state.log_blur.grad = -found.log_blur * state.blur_share(model.variance) / count
    state.background.grad = -found.share / count
