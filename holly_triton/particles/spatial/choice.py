"""How data are reconstructed: as 3D localisations or as pictures, and their channels apart or together.

These are the options ``--dimensions`` and ``--channels``, and their defaults.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from shlex import quote

import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.words import counted
from holly_triton.io.channels import CHANNEL_COLOURS
from holly_triton.particles.config import DEFAULT_POINTS, Channels, Config
from holly_triton.particles.data import Dataset, Localisations, Pictures

LEAST_DEPTH, MOST_DEPTH = 0.15, 6.0
"""Bounds on the standard deviation of z about the particles' centres, in units of that of x and y: outside them z is of
another unit, or holds nothing but a plane. A ring that lies flat on the coverslip, 100 nm across and of two layers 20 nm
apart, with an axial precision of 10 nm, comes to 0.4."""
RESOLVED = 0.8
"""Largest axial precision, in units of that standard deviation, which includes it: beyond, z is mostly noise."""
FEWEST_A_PARTICLE = 1.0
"""Mean number of localisations of a channel in a particle: with fewer, those that belong to no structure may be as many."""


def dimensions_of(config: Config, dataset: Dataset) -> int:
    """2 or 3: as the settings say, else 3 where the data have a z of use and no setting is for pictures alone.

    Raises:
        HollyError: 3 is asked for, and the data or other settings do not allow it.
    """
    flat = _for_pictures(config)
    if config.dimensions is None:
        return 2 if flat or lacking_depth(dataset) else 3
    if config.dimensions == 3 and flat:
        raise HollyError(f"--dimensions 3: does not go with {', '.join(flat)}; leave one or the other out")
    if config.dimensions == 3 and (lacking := lacking_depth(dataset)):
        raise HollyError(f"{config.data}: --dimensions 3: {lacking}. --dimensions 2 projects the particles.")
    return config.dimensions


def _for_pictures(config: Config) -> list[str]:
    """The options that were given and are for pictures alone."""
    options = {
        f"--pose {config.pose}": config.pose != "search",
        f"--tilt {config.tilt or 0:g}": config.tilt is not None,
        "--prune": config.prune,
        "--views random": config.views == "random",
        f"--axis {config.axis}": config.axis != "z",
        f"--weights {config.weights}": config.weights != "equal",
    }
    return [option for option, is_given in options.items() if is_given]


def check_spatial(config: Config, dataset: Dataset, option: str) -> None:
    """Refuse an option of 3D runs where the settings, whose dimensions are known, ask for projections, or the data have no z.

    Raises:
        HollyError: They do.
    """
    if config.dimensions == 3:
        return
    asked = ", ".join(_for_pictures(config))
    # Views at random have no z themselves, so the options come first.
    lacking = "" if asked else lacking_depth(dataset)
    why = lacking or f"{asked or '--dimensions 2'} asks for projections of them"
    raise HollyError(f"{config.data}: {option} needs localisations in 3D: {why}. Leave one or the other out.")


def lacking_depth(dataset: Dataset) -> str:
    """Why particles can't be reconstructed as 3D localisations; empty where they can."""
    if not isinstance(dataset, Localisations):
        return "it holds pictures; localisations in 3D are needed"
    if not dataset.has_z:
        return "its localisations have no z, or the same one everywhere"
    xyz, _ = dataset.emitters(torch.arange(0, len(dataset), -(-len(dataset) // 1000), device=dataset.starts.device))
    # Half of the distance between quantiles: a few localisations far away do not count.
    low, high = (torch.quantile(xyz[:: -(-len(xyz) // 2**20)], share, dim=0) for share in (0.16, 0.84))
    x, y, z = ((high - low) / 2).tolist()
    across = math.hypot(x, y) / math.sqrt(2)
    if not LEAST_DEPTH * across <= z <= MOST_DEPTH * across:
        return (
            f"within a particle z spreads by {z:.3g} nm and x and y by {across:.3g} nm (standard deviations): is z in another "
            'unit? --columns "z=NAME[um]" says so'
        )
    axial = dataset.precision_z_nm
    if axial is not None and axial > RESOLVED * z:
        return f"the precision along z, {axial:.3g} nm, is no better than the spread of z within a particle, {z:.3g} nm"
    return ""


def how_depth(dataset: Localisations) -> str:
    """Whether the localisations have a z and, if ``train`` makes no use of it, why."""
    if not dataset.has_z:
        return "no"
    lacking = lacking_depth(dataset)
    return f"yes, but particles are projected by default: {lacking}" if lacking else "yes"


def how_channels(dataset: Localisations | Pictures) -> str:
    """The names of several channels, and whether each has a cloud of its own by default."""
    lacking = lacking_channels(Config(dimensions=2 if lacking_depth(dataset) else 3), dataset)
    how = f"pooled in one cloud (--channels separate: {lacking})" if lacking else "a cloud for each"
    return f"{', '.join(dataset.channels)}; {how}"


def channels_of(config: Config, dataset: Dataset) -> Channels:
    """Whether each channel has a cloud of its own: as the settings say, else where there are several that allow it.

    Raises:
        HollyError: It is asked for, and the data or other settings do not allow it.
    """
    if config.channels == "pooled":
        return "pooled"
    lacking = lacking_channels(config, dataset)
    if config.channels == "separate" and lacking:
        raise HollyError(f"{config.data}: --channels separate: {lacking}")
    return "pooled" if lacking else "separate"


def points_for(labels: float, dimensions: int | None) -> int:
    """Default number of points for a typical particle's number of labels."""
    most = DEFAULT_POINTS.most_in_space if dimensions == 3 else DEFAULT_POINTS.most
    return min(most, max(DEFAULT_POINTS.fewest, int(labels)))


def lacking_channels(config: Config, dataset: Dataset) -> str:
    """Why the channels of a data set can't have a cloud each; empty where they can."""
    if isinstance(dataset, Localisations) and dataset.by_photons:
        return "counts each localisation as one; leave --weights photons out"
    if config.prune:
        return "keeps the points of each channel; leave --prune out"
    names = dataset.channels
    if config.channel is not None:
        return f"needs several channels, and --channel {config.channel} reads one; leave one of the two options out"
    if len(names) < 2:
        lacking = "no column of channels (--columns channel=NAME names it)"
        if not isinstance(dataset, Localisations):
            lacking = "one channel"
        found = f"one channel, {names[0]}" if names else lacking
        return f"needs at least two channels; found {found}"
    if len(names) > len(CHANNEL_COLOURS):
        some = "Leave some out with --where, or read" if isinstance(dataset, Localisations) else "Read"
        found = f"found {len(names)}: {', '.join(names)}"
        return f"is for at most {len(CHANNEL_COLOURS)} channels; {found}. {some} one with --channel NAME"
    if isinstance(dataset, Localisations) and (scarce := _scarce_channel(dataset)):
        return scarce
    if isinstance(dataset, Pictures) and (dark := dataset.dark_channels()):
        return f"there is no light in channel {dark[0]}; read another one with --channel NAME"
    sizes = sizes_of(config.points, dataset, config.dimensions)
    if min(sizes) < DEFAULT_POINTS.fewest_of_channel:
        said = ", ".join(f"{name} {size}" for name, size in zip(names, sizes, strict=True))
        return (
            f"--points {config.points} leaves a channel fewer than {DEFAULT_POINTS.fewest_of_channel} points ({said}); "
            "raise it, or leave it out"
        )
    return ""


def _scarce_channel(dataset: Localisations) -> str:
    """Which channel has too few localisations for a cloud; empty where none has."""
    counts = dataset.channel_counts.double()
    means, totals = counts.mean(dim=0).tolist(), counts.sum(dim=0).long().tolist()
    for name, mean, total in zip(dataset.channels, means, totals, strict=True):
        if mean < FEWEST_A_PARTICLE:
            return (
                f"channel {name} has {counted(total, 'localisation')} in {counted(len(counts), 'particle')}, too few for a "
                f"cloud of its own; leave it out with --where (such as --where {quote(f'channel != {name}')}), or read "
                "another one with --channel NAME"
            )
    return ""


def sizes_of(points: int | None, dataset: Dataset, dimensions: int | None) -> list[int]:
    """Points of each channel, that many in all where a number is given.

    In 3D as of a data set of its own, or in these proportions; in 2D in proportion to its localisations, since it takes its points
    from a cloud of all channels, but enough for a cloud; of pictures, whose light does not count labels, the same for each.
    """
    if not isinstance(dataset, Localisations):
        return _shared(points or DEFAULT_POINTS.pictures, [1.0] * len(dataset.channels))
    counts = dataset.channel_counts.double()
    if dimensions == 3:
        weights = [float(points_for(median, dimensions)) for median in counts.median(dim=0).values.tolist()]
        return _shared(points or round(sum(weights)), weights)
    sizes = _shared(points or points_for(float(dataset.counts.median()), dimensions), counts.sum(dim=0).tolist())
    lacking = [max(0, DEFAULT_POINTS.fewest_of_channel - size) for size in sizes]
    sizes[sizes.index(max(sizes))] -= sum(lacking)
    return [size + more for size, more in zip(sizes, lacking, strict=True)]


def _shared(total: int, weights: Sequence[float]) -> list[int]:
    """A number in these proportions, in whole parts."""
    ends = [round(total * end / sum(weights)) for end in accumulate(weights)]
    return [end - start for start, end in pairwise([0, *ends])]
