"""Every default of the family; ``core.config`` checks, reads and writes the settings among them."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from holly_triton.core.config import LARGEST, Bounds, Settings
from holly_triton.core.errors import HollyError
from holly_triton.core.words import in_capitals
from holly_triton.io.tables.reading import Axis, Background, Contrast, Unit, Weights

from .annealed import Amortised, Direct
from .bounds import Amount, Count, Momentum, Pixels, Positive, Share, Whole
from .classes.config import Classes
from .deformation.config import Deforming
from .sparse.config import Sparse
from .spatial.config import Spatial

MASK_THRESHOLD_128 = 1e-4
"""Loss mask on the normalised target of 128 x 128 pixels (HOLLy); other sizes scale it by their number of pixels."""


@dataclass(frozen=True)
class DefaultPoints:
    """Default number of points of a cloud: the number of labels of a typical particle, within these bounds."""

    fewest: int = 80
    """Particles of a few labels each can together show a structure of more sites."""
    most: int = 500
    """More points would cost minutes and could not be resolved at the paper's sigma."""
    most_in_space: int = 160
    """Of a structure from 3D localisations, each point costs time in every pose, and a site that blinks often needs no more."""
    fewest_of_channel: int = 4
    """Of each channel that has a cloud of its own: three points always lie in a plane."""
    pictures: int = 300
    """The default where the data are pixels, in which labels are not counted."""


DEFAULT_POINTS = DefaultPoints()


@dataclass(frozen=True)
class Demo:
    """What ``holly-triton demo`` simulates."""

    images: int = 2000
    quick_images: int = 500
    points: int = 112
    """As many as the structure has sites, so that the answer can be exact."""
    scatter_nm: float = 3.0
    missing: float = 0.1
    seed: int = 0


DEMO = Demo()


@dataclass(frozen=True)
class Photophysics:
    """Photophysics of one fluorophore: the number of its localisations, and their distance from it."""

    median: float
    """Median number of localisations; their number follows a log-normal distribution and is at least one."""
    spread: float
    """Standard deviation of its logarithm."""
    precision_nm: float
    """Standard deviation of a localisation about its fluorophore, along each axis."""


PHOTOPHYSICS = {"alexa647": Photophysics(median=6.0, spread=1.34, precision_nm=11.0)}
"""Measured by Sieben et al. 2018: 405 molecules of Alexa 647 gave 6 localisations in the median and 14.8 in the mean;
3081 deviations along x spread by 11.0 nm (median absolute deviation, as a standard deviation)."""


FEWEST_POINTS, MOST_POINTS = 4, 1_000_000
"""Bounds on the number of points of a reconstructed cloud."""

Views = Literal["given", "random"]
Pose = Literal["search", "amortised", "direct"]
Device = Literal["auto", "cpu", "cuda"]
Part = Literal["all", "odd", "even"]
Channels = Literal["separate", "pooled"]


@dataclass(frozen=True)
class Schedule(Settings):
    """The coarse-to-fine schedule. Lengths are relative to the extent of the data, so that any structure works."""

    search_steps: Whole = 240
    """Steps with pose search; sigma shrinks geometrically during the first nine tenths of them."""
    starts: Count = 4
    """Most random starts. A start may merge two parts of the structure, such as the ears of the bunny, which no later step
    undoes: of 13 on three sets of very noisy pictures (row 6.H of the paper) one did. No more are made once the best two agree."""
    chosen_after: Share = 0.1
    """Share of the search steps of each start after which the best is taken up."""
    starts_agree: Share = 0.05
    """Largest relative difference of two losses that agree. Of those 13, ten came within 7 % of the best of their set, and three,
    the one that merged the ears and two that moved late, to 21 to 27 % above it."""
    rescue_passes: Whole = 3
    """Passes between search and polish in which poses are searched again; a pass covers half of the pictures, drawn from
    the worst-fitted half."""
    polish_steps: Whole = 80
    """Gradient steps on points and poses together while sigma sharpens, step lengths falling to nothing."""
    refine_steps: Whole = 10
    """Gradient steps on every picture's pose at the end, with the points held."""
    sigma_start: Positive = 0.4
    """First sigma, as a fraction of the structure's radius of gyration. At this resolution only the overall shape is
    visible, so that poses can't lock onto detail too early."""
    sigma_end: Positive = 1 / 90
    """Last sigma of the search, as a fraction of the field of view (1.41 px of 128, as in the paper), but no less than the
    localisation precision."""
    sigma_per_blur: Amount = 0.75
    """Least sigma, as a fraction of the fitted label scatter: pictures drawn more finely show mainly noise."""
    field_of_view: Annotated[float, Bounds(0.1, 100)] = 2.8
    """Side of the field of view, as a multiple of the radius that holds 99.5 % of the intensity: it leaves room for the
    tail of a Gaussian and for a shift."""
    pixel_per_sigma: Positive = 1.6
    """Largest pixel, in sigma, at which a drawn Gaussian still has a usable gradient."""
    sharpening: Annotated[float, Bounds(0, 1, open_least=True)] = 0.5
    """Final sigma of the polish, as a fraction of sigma_end, unless the labels scatter more. At this sigma, points between
    two sites are distinguished from points on them: the RMSD of CEP152 with 180 points on 112 sites fell from 0.0162 to
    0.0083 units."""
    sizes: Annotated[tuple[int, ...], Bounds(2, 4096)] = (16, 32, 64, 128)
    """Picture sizes in pixels; the smallest that satisfies pixel_per_sigma is used, or else the last."""
    batch: Count = 256
    """Pictures per step."""
    global_search: Share = 0.7
    """Share of the search steps that also try random rotations; later steps only refine the known poses."""


@dataclass(frozen=True)
class Search(Settings):
    """How poses are searched in one step."""

    candidates: Count = 1000
    """Random rotations per step, shared by its pictures and renewed each step; the nearest one is about 19 degrees away."""
    neighbours: Count = 7
    """Perturbations tried around each picture's pose."""
    least_dispersion: Amount = 0.2
    """Variance over mean of the localisations of a picture, from which poses are drawn by their likelihood. Below, nearly
    every label is seen in every picture, and the best pose is taken."""
    sharpness: Positive = 1.5
    """Power of the likelihood by which poses are drawn. Pictures are compared after smoothing by sigma, which weakens
    their likelihood by ``1 + sigma_per_blur**2``."""
    size: Pixels = 32
    """Largest picture, pixels, on which poses are compared; gradient steps refine them further."""
    turn: Annotated[float, Bounds(0, math.pi)] = 0.5
    """Largest perturbation at the start, radians; it falls with sigma."""
    shift: Amount = 0.1
    """Largest perturbation of a shift, as a fraction of what the largest perturbation of the rotation does to a point at the
    radius of gyration. Pictures are centred on their centroids, so shifts are small."""
    least_turn: Share = 0.1
    """Smallest value of the largest perturbation, as a fraction of ``turn``."""
    dense_candidates: Count = 16_000
    """Random rotations of a dense search; the nearest one is about 8 degrees away."""
    dense_batch: Count = 1024
    """About how many pictures share these rotations; a run divides each pass into equal steps of at most 1.5 times as many."""
    dense_rounds: Count = 4
    """Rounds of a dense search, at falling sigma."""
    dense_from: Share = 0.6
    """Sigma of its first round, given as the share of the run's search after which sigma has this value."""
    most_points: Count = 1000
    """Poses of a larger cloud are compared by this number of random points, which suffices at the search's resolution."""


@dataclass(frozen=True)
class Optimiser(Settings):
    """Gradient steps on points and poses."""

    gradient_steps: Count = 2
    """Gradient steps in each step on points and poses, after the pose search if there is one."""
    point_rate: Amount = 0.07
    """Adam's step for points, in sigma: coarse pictures allow long steps, fine ones need short ones."""
    momentum: Momentum = 0.9
    second_moment: Annotated[float, Bounds(0, 1, open_least=True, open_most=True)] = 0.95
    """Adam's betas; the second is short because sigma, and with it the gradients, changes quickly. Of 0, a small gradient would
    give a step of any length."""
    blur_rate: Amount = 0.02
    """Adam's step for the logarithm of the fitted blur, and for the logit of the background's share."""
    background_start: Annotated[float, Bounds(0, 1, open_least=True, open_most=True)] = 0.05
    """Initial share of the intensity in a uniform background."""
    blur_start: Positive = 0.05
    """Initial blur (scatter of the labels about a point), as a fraction of the radius of gyration."""


@dataclass(frozen=True)
class Sharpen(Settings):
    """Steps of the cloud alone, after the polish, in the poses found, along the likelihood of the data at their finest.

    Localisations count one by one there. Where labels scatter more than the finest pictures, pictures are smoothed by a part of
    that scatter, and what is smoothed away is lost; elsewhere these steps are left out. Of the bunny with a scatter of 0.06 units
    and three of ten labels missing they brought the RMSD from 0.053 to 0.027 units (2000 particles, one seed). Pictures of pixels
    are taken as sharp as they are: 0.052 and 0.054 to 0.036 and 0.036 units (two seeds), and without noise 0.021 to 0.007 (one). Those
    pictures give 0.038 with as many points as sites, 354, and 0.053 with 300 (medians of five seeds).
    """

    per_polish: Amount = 2.5
    """Steps for each step of the polish, of localisations; 0 for none."""
    pictures_per_polish: Amount = 5.0
    """The same of pictures, of which a step takes a fifth of the time."""
    batch: Count = 64
    """Particles of a step."""
    point_rate: Amount = 0.28
    """Adam's step for points, as a fraction of the blur and of what the data resolve: long enough for points to leave a place that
    is only nearly right. With 0.14 the first of the noisy pictures named above came to 0.041, with 0.28 to 0.036, with 0.56 to 0.045 units."""
    constant: Annotated[float, Bounds(0, 1, open_most=True)] = 0.5
    """Share of the steps after which they become shorter, to nothing at the end."""
    separating: Whole = 200
    """Steps that end a run on projections whose channels have a cloud each, which follows the localisations or pictures of its own."""
    most_pairs: Count = 2**18
    """Pairs of a localisation and a point, of a particle: where it has more, some of its localisations are drawn at each step."""


@dataclass(frozen=True)
class Relocation(Settings):
    """Points that do not reduce the residual, or duplicate others, are relocated to where the residual is largest."""

    every: Count = 12
    """Steps between relocations, the last of which are twice as many steps before the end. With 25, CEP152 with as many points as
    sites ended 1.5 to 2.1 nm from the truth in four of five seeds, with 12 within 0.29 nm in all of them (RMSD, nothing held out)."""
    support: Amount = 0.2
    """A point is an outlier where the pictures, at its projections, are fainter than this share of the median point's value."""
    most: Whole = 10
    """Largest number of redundant points moved in one relocation."""
    sorted_from: Count = 2000
    """Clouds of this number of points or more are sorted by position at each relocation: only in large clouds do the kernels
    skip blocks of points."""
    fewest: Count = 8
    """Least number of pictures used to choose where a point goes, and again to decide whether it stays there."""
    pairs: Count = 3
    """Pairs of neighbours, those with the least residual, of which one point is tried in another place. With the closest pair
    alone, two points on one site of CEP152 stayed, since two of its sites are closer to each other than they were."""
    places: Count = 512
    """Positions tried at a time for one point."""
    closer: Whole = 5
    """Rounds that refine the best positions: the first within the usual distance of two neighbours, each of the others within
    half the distance of the one before."""
    kept: Count = 32
    """Number of best positions that are kept for the next round."""

    def __post_init__(self) -> None:
        """Check each setting, then the relations between them."""
        super().__post_init__()
        if self.kept > self.places:
            raise HollyError(f"kept is {self.kept}; it must be at most places, {self.places}")


@dataclass(frozen=True)
class Config(Settings):
    """All settings of a run."""

    data: str = ""
    """Path of the localisations or pictures."""
    unit: Unit | None = None
    """Unit of the file's coordinates where the file does not state it."""
    pixel_size: Positive | None = None
    """nm per pixel of the input, never of the working grid."""
    columns: str | None = None
    """Which column of a table holds what, as ``x=...,y=...[px],particle=...``, where its column names are unknown."""
    channel: str | None = None
    """Name or number of the channel that is read, where localisations or pictures of several are in one file; None reads all."""
    channels: Channels | None = None
    """Of localisations with a column of channels, or pictures with that axis: ``separate`` gives each channel a cloud of its own, in
    the same frame and poses; ``pooled`` makes one cloud of all. None follows from the data (``spatial.choice.channels_of``)."""
    where: str | None = None
    """Which rows of a table count, as ``valid = 1 and uncertainty < 20``; None counts all."""
    axis: Axis = "z"
    """Viewing axis for localisations in 3D."""
    weights: Weights = "equal"
    """``photons`` weighs a localisation by its brightness; ``equal`` counts each as one, since a bright blink represents no
    more of the structure than a faint one."""
    crop: Annotated[int, Bounds(2)] | None = None
    """Pixels a side to which pictures are cropped about their centre; None leaves them whole."""
    background: Background = "subtract"
    """Whether the background, estimated from the border of each picture, is subtracted."""
    contrast: Contrast | None = None
    """``dark`` inverts pictures of dark particles on bright ground; None refuses them, ``bright`` leaves pictures unchanged."""
    exclude: str | None = None
    """Path of the table that ``holly-triton rank`` writes: pictures that it marks as bad are left out."""
    dimensions: Annotated[int, Bounds(2, 3)] | None = None
    """3: particles of 3D localisations are reconstructed as such; 2: as projections along the axis. None follows from the
    data (``has_depth``)."""
    views: Views = "given"
    """``random`` projects 3D particles along random directions; ``given`` projects along the axis."""
    views_per_particle: Count = 8
    """Directions per particle with ``views = "random"``."""
    points: Annotated[int, Bounds(FEWEST_POINTS, MOST_POINTS)] | None = None
    """Points of the cloud; None follows from the data (``default_points``)."""
    choose_points: bool | None = None
    """Of 3D localisations: whether that is where the run begins, and points are merged at the end as far as the likelihood allows.
    None: where no number is given, no symmetry is imposed and no deformation is fitted."""
    symmetry: str | None = None
    """Rotational symmetry that is imposed, as C8, D2, T, O or I; of 3D localisations."""
    prune: bool = False
    """Merge points closer than the final sigma, so that the cloud may end with fewer than requested."""
    pose: Pose = "search"
    tilt: Annotated[float, Bounds(0, 180)] | None = None
    """Maximum tilt of the viewing direction, degrees; 0 for a flat structure or a single orientation, None for any. Pose
    search only."""
    part: Part = "all"
    """Which particles are used: all of them, or every other one."""
    held_out: Annotated[float, Bounds(0, 0.5)] = 0.05
    """Share of the particles that are held out of the training and scored at its end; 0 holds out none."""
    repeats: Count = 1
    """Runs from different seeds, for a consensus."""
    structures: Count = 1
    """Structures in the data, into which the particles are classified."""
    assignment: str | None = None
    """Path of the table of a classification; the particles that it assigns to ``structure`` are used."""
    structure: Count | None = None
    """Number of that structure in the table."""
    deformation: bool = False
    """Fit a field of displacements to the finished structure, of 3D localisations, of which each particle has an amplitude."""
    half_sets: bool = False
    """Two runs, one from every other particle and one from the rest, for the resolution."""
    seed: Annotated[int, Bounds(0, LARGEST)] = 0
    device: Device = "auto"
    checkpoint_every: Count = 25
    """Steps between checkpoints."""
    schedule: Schedule = field(default_factory=Schedule)
    search: Search = field(default_factory=Search)
    optimiser: Optimiser = field(default_factory=Optimiser)
    sharpen: Sharpen = field(default_factory=Sharpen)
    relocation: Relocation = field(default_factory=Relocation)
    amortised: Amortised = field(default_factory=Amortised)
    direct: Direct = field(default_factory=Direct)
    spatial: Spatial = field(default_factory=Spatial)
    sparse: Sparse = field(default_factory=Sparse)
    classes: Classes = field(default_factory=Classes)
    deforming: Deforming = field(default_factory=Deforming)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.symmetry is not None:
            object.__setattr__(self, "symmetry", in_capitals(self.symmetry, "CDTOI"))

    def quick(self) -> "Config":
        """The same run at a fraction of the steps, for smoke tests."""
        brief = dataclasses.replace(self.schedule, search_steps=100, rescue_passes=0, polish_steps=20, refine_steps=5)
        return dataclasses.replace(
            self,
            schedule=brief,
            amortised=dataclasses.replace(self.amortised, epochs=2, size=64),
            direct=dataclasses.replace(self.direct, epochs=2, size=64),
            spatial=dataclasses.replace(self.spatial, steps=60),
            sparse=dataclasses.replace(self.sparse, steps=60),
            sharpen=dataclasses.replace(self.sharpen, separating=40),
            classes=dataclasses.replace(self.classes, steps=30),
            deforming=dataclasses.replace(self.deforming, steps=30),
        )
