"""Every default of the family; ``core.config`` checks, reads and writes the settings among them."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.errors import HollyError

PIXEL_NM = 100.0
"""Side of a camera pixel of the SMLM challenge, nm, and the default."""
Z_RANGE_NM = (-700.0, 700.0)
"""Depths that are simulated and searched unless a calibration states its own, nm."""

# Cameras

SATURATION_ADU = 65535.0
"""Largest number of 16 bits, which cameras of this field store."""
CAMERAS: dict[str, dict[str, float | str]] = {
    "photons": {"kind": "photons"},
    "scmos": {
        "kind": "scmos", "quantum_efficiency": 0.9, "offset_adu": 100.0, "electrons_per_adu": 0.5,
        "read_noise_electrons": 1.5,
    },
    "challenge": {
        # The challenge cuts the decimals off: the mean in the dark is half an ADU below its baseline of 100.
        "kind": "emccd", "quantum_efficiency": 0.9, "offset_adu": 99.5, "electrons_per_adu": 45.0,
        "read_noise_electrons": 74.4, "em_gain": 300.0, "clock_induced": 0.002,
    },
}  # fmt: skip
"""Cameras by name: ideal counting of photons; a typical sCMOS; the EM-CCD of the SMLM challenge 2016 (Sage et al. 2019)."""

GAIN_BINS = 40
"""Groups of pixels by brightness in which the variance is measured."""
GAIN_SIGMA = 4.0
"""Standard errors by which a slope must differ from 0."""
GAIN_RISE = 0.2
"""Share by which the variance must rise over the groups, or the movie is too even for a slope."""
GAIN_OFF = 0.3
"""Relative difference of the variance that is measured and expected below which nothing is said: crowded emitters, which
differ from frame to frame, raise it by 20 %."""

# Samplers: lengths in nm

MARGIN_NM = 500.0
"""Emitters this far outside a field are drawn as well: parts of their light fall within."""
CHALLENGE_FIELD_NM = (6400.0, 6400.0)
"""Width and height of the field of the SMLM challenge, on which the nominal densities of structures are measured."""
JITTER_NM = (0.0, 8.0)
"""Standard deviation of a label about its site, drawn uniformly for each frame: size of the label and its linker."""
STRAND_RADIUS_NM = (12.0, 400.0)
"""Radius of a bundle of three strands, drawn log-uniformly for each."""
STRAND_PITCH_NM = (200.0, 4000.0)
"""Length of a turn of its strands, drawn log-uniformly."""
WALL_NM = (12.0, 18.0)
"""Inner and outer radius of the wall of a microtubule of the challenge, on which its fluorophores lie."""
BUNDLES = (1, 3)
"""Fewest and most bundles of strands in a field of the challenge's size."""
TUBES = (3, 3)
"""The same of microtubules: the challenge has three."""
BEND_NM = 600.0
"""Standard deviation of a centre-line about the straight line across such a field."""
COPIES = (0.02, 2.0)
"""Copies of a structure before those that overlap others are removed, as a multiple of the number in which each has room."""
COPY_ROOM_NM = 100.0
"""Distance that smaller structures also keep."""
CALIBRATION_FRAMES = 192
"""Fields drawn for each of the rates at which the neighbour distance is measured."""
CALIBRATION_COUNTS = (3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0, 384.0)
"""Mean emitters in the field at these rates."""

# Simulated frames

POSITIVE = Bounds(0, open_least=True)
BLOCK_PIXELS = 2**22
"""Pixels of the frames that are drawn at once while a movie is written."""
NODE_PX = 8
"""Distance of the random numbers between which the background's variation is interpolated, pixels."""
DIMMEST = 0.1
"""Smallest background and smallest photons of an emitter, as a share of the frame's mean."""
LEAD = 5.0
"""Emitters that switched on this many mean on-times before the first frame are drawn as well; the others are dark again."""
POOL_PER_UM2, LARGEST_POOL = 500.0, 2**21
"""Fluorophores of a structure whose emitters are drawn for a whole movie, and their largest number."""
SCENE_COPIES = (0.3, 0.3)
"""Copies of a structure in a movie, as ``COPIES``."""
BEAD_PHOTONS, BEAD_SPREAD, BEAD_ROOM_PX = 30000.0, 0.1, 40
"""Mean photons of a bead, their relative standard deviation, and the side of the square in which each bead is alone."""


@dataclass(frozen=True)
class FrameSettings(Settings):
    """What differs from frame to frame: drawn log-uniformly between least and most, and fixed where these are equal."""

    density_least: Annotated[float, POSITIVE] = 0.05
    density_most: Annotated[float, POSITIVE] = 10.0
    """Nominal emitters per square micrometre."""
    photons_least: Annotated[float, POSITIVE] = 700.0
    photons_most: Annotated[float, POSITIVE] = 25000.0
    """Mean photons of an emitter in a frame."""
    spread_least: Annotated[float, Bounds(0)] = 0.03
    spread_most: Annotated[float, Bounds(0)] = 0.15
    """Standard deviation of the photons within a frame, as a share of their mean; uniform between the two."""
    background_unit: Literal["photons", "share"] = "share"
    """Whether the background is given in photons a pixel or as a share of the frame's mean photons of an emitter."""
    background_least: Annotated[float, Bounds(0)] = 0.005
    background_most: Annotated[float, Bounds(0)] = 0.02
    background_variation: Annotated[float, Bounds(0)] = 0.2
    """Standard deviation of its smooth variation, as a share of its mean."""
    on_time: Annotated[float, POSITIVE] | None = None
    """Mean on-time in frames: emitters switch on at any moment and are dimmer where they do so within a frame. Without
    one, emitters are on for the whole of their frame."""
    window: Annotated[int, Bounds(1, 99)] = 1
    """Consecutive frames seen together, of which the middle one is asked for; more than one need an on-time."""


@dataclass(frozen=True)
class MovieSettings(Settings):
    """A simulated movie, as its ``settings.toml`` holds it."""

    frames: Annotated[int, Bounds(1)] = 1000
    width_px: Annotated[int, Bounds(1)] = 64
    height_px: Annotated[int, Bounds(1)] = 64
    sampling: Literal["random", "structure", "mixed"] = "random"
    structure: str | None = None
    orientation: Literal["any", "upright"] | None = None
    unit_nm: Annotated[float, POSITIVE] | None = None
    """nm per unit of a cloud that states none."""
    density: Annotated[float, POSITIVE] | None = 0.2
    """Nominal emitters per square micrometre; None where their number is given."""
    emitters: Annotated[float, POSITIVE] | None = None
    """Mean emitters of a frame."""
    photons: Annotated[float, POSITIVE] = 5000.0
    spread: Annotated[float, Bounds(0)] = 0.05
    background: Annotated[float, Bounds(0)] = 50.0
    background_variation: Annotated[float, Bounds(0)] = 0.2
    on_time: Annotated[float, POSITIVE] | None = None
    seed: Annotated[int, Bounds(0)] = 0


# PSF

HUANG = {"sigma0_nm": 130.0, "c_nm": 300.0, "d_nm": 400.0}
"""Width in focus, distance of both foci from 0, and depth of field of the default PSF, nm: a typical cylindrical lens."""
REACH = 4.0
"""Standard deviations of the widest Gaussian that a patch holds on each side: 0.01 % of the photons lie beyond."""
LARGEST_PATCH = 63
"""Largest side of a patch of a Gaussian, pixels; a wider Gaussian is cut off."""
LEAST_WIDTH = 0.3
"""A fitted width that falls below this share of that in focus is an artefact of the fit."""

# The Cramér-Rao bound

BOUND_RIDGE = 1e-9
"""Added to the diagonal of Fisher information scaled to 1: two emitters at one place then get a very large deviation."""

# PSFs of other programs

SMAP_JUMP = 0.01
"""Largest difference of neighbouring polynomials at a shared corner, as a share of the PSF's peak."""
LARGEST_YAML = 2**20
"""Bytes; calibrations have a few hundred."""
CURVE_STEPS = 201
"""Depths at which a polynomial is compared with a curve of Huang et al."""
WORST_CURVE = 0.1
"""Largest difference of their widths, as a share."""

# Calibration with beads


@dataclass(frozen=True)
class Calibrating(Settings):
    """From a stack of beads to a PSF."""

    model: Literal["spline", "gaussian"] = "spline"
    roi_px: Annotated[int, Bounds(9, 127)] = 29
    """Odd side of the region about a bead, the same in all planes: a region that follows the light would move with it."""
    keep_brightness: bool = False
    """Whether a bead's brightness over the planes belongs to the PSF; otherwise it is taken as bleaching."""
    plane_nm: Annotated[float, Bounds(1)] = 100.0
    """Distance of the table's planes. With less, the noise of the beads in the challenge's stack makes the axial bound too
    small (13.8 nm at 50 nm, 11.5 at 30); with 80 to 160 it is 14.4 to 14.6."""
    centre_nm: Annotated[float, Bounds(0)] = 100.0
    """The PSF is centred on the light of the planes within this distance of z = 0."""
    passes: Annotated[int, Bounds(1)] = 4
    """Times that the beads are aligned to their average."""
    smoothing_px: Annotated[float, Bounds(0.5)] = 2.0
    """Of the mean picture in which beads are found."""
    noise_factor: Annotated[float, Bounds(1)] = 8.0
    """A bead is this many standard deviations of the background above it."""
    least_height: Annotated[float, Bounds(0, 1)] = 0.05
    """It is at least this share of the brightest."""
    faint: Annotated[float, Bounds(0, 1)] = 0.3
    """It is used if it has this share of the usual brightness."""
    nearest: Annotated[float, Bounds(0)] = 0.75
    """Least distance of two beads along x or y, as a share of the region: then the other lies outside of it, with its light."""
    most_beads: Annotated[int, Bounds(1)] = 50
    """Largest number of beads that are used, the brightest."""
    fewest_planes: Annotated[int, Bounds(6)] = 6
    worst_residual: Annotated[float, Bounds(0)] = 0.15
    """A bead is unlike the others where the PSF leaves more of it unexplained than this share,"""
    residual_factor: Annotated[float, Bounds(1)] = 2.5
    """and more than this many times what it usually leaves,"""
    deepest_nm: Annotated[float, Bounds(0)] = 300.0
    """or where it lies this far above or below them."""
    widest: Annotated[float, Bounds(0, 1)] = 0.22
    """Largest standard deviation that a region shows, as a share of its side."""
    least_astigmatism: Annotated[float, Bounds(0)] = 0.3
    """Least change of the logarithm of the ratio of both widths over the depth."""
    photons: Annotated[float, Bounds(1)] = 5000.0
    """Photons of the emitter for which the bound is given,"""
    background: Annotated[float, Bounds(0)] = 50.0
    """and its background, a pixel."""
    worst_bound: Annotated[float, Bounds(1)] = 4.0
    """Depths are usable while no bound is larger than this many times the best one."""
    bound_steps: Annotated[int, Bounds(10)] = 151
    """Depths at which the bound is computed."""


# Evaluation against a truth: the SMLM challenge 2016 (Sage et al. 2019, and the programs that scored it).

FIELD_NM = 6400.0
"""Side of the challenge's field of view, nm: the field where neither an option nor a settings.toml states one."""


@dataclass(frozen=True)
class Scoring(Settings):
    """How localisations are compared with the truth."""

    width_nm: Annotated[float, Bounds(0, open_least=True)] = FIELD_NM
    height_nm: Annotated[float, Bounds(0, open_least=True)] = FIELD_NM
    """The field of view, from the outer corner of its first pixel."""
    border_nm: Annotated[float, Bounds(0)] = 450.0
    """Emitters and localisations at most this far from an edge of the field are left out."""
    lateral_nm: Annotated[float, Bounds(0, open_least=True)] = 250.0
    axial_nm: Annotated[float, Bounds(0, open_least=True)] = 500.0
    """Radius and half height of the cylinder about an emitter within which a localisation may be matched to it."""
    dim_quantile: Annotated[float, Bounds(0, 1, open_most=True)] = 0.0
    """Share of the emitters, the dimmest, that take part in the matching and count neither as missed nor as found."""
    lateral_per_nm: Annotated[float, Bounds(0)] = 1.0
    axial_per_nm: Annotated[float, Bounds(0)] = 0.5
    """Per cent of efficiency that each nm of error costs beside the Jaccard index: alpha of the challenge."""
    pixel_nm: Annotated[float, Bounds(0, open_least=True)] = PIXEL_NM
    """Side of a camera pixel, for the bias within a pixel."""
    isolated_nm: Annotated[float, Bounds(0)] = 1000.0
    """An emitter is isolated if no other of its frame is this near laterally."""
    resamplings: Annotated[int, Bounds(0)] = 400
    """Resamplings of the frames from which the 95 % intervals follow; 0 leaves the intervals out."""
    seed: Annotated[int, Bounds(0)] = 0
    """Of the resampling."""


BOUND_BLOCK = 500
"""Frames whose Cramér-Rao bound is computed at a time."""


# Network, loss and training

Preset = Literal["own", "decode-like", "luenn-like"]
Device = Literal["auto", "cpu", "cuda"]

MOST_TILE_PX = 512
"""Largest side of a tile of a large frame, pixels."""


@dataclass(frozen=True)
class Network(Settings):
    """Which network, and how large."""

    preset: Preset = "own"
    width: Annotated[int, Bounds(2, 256)] | None = None
    """Features at the resolution of the camera."""
    frames_at_once: Annotated[int, Bounds(1, 3)] = 1
    """1, or 3: a frame with the one before and the one after."""
    cells: Annotated[int, Bounds(2, 4)] = 4
    """Of a pixel's side, 2 or 4, in the grid of the preset luenn-like."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames_at_once == 2:
            raise HollyError("frames_at_once is 2; it must be 1 or 3")
        if self.cells == 3:
            raise HollyError("cells is 3; it must be 2 or 4")

    @property
    def features(self) -> int:
        """The width, or the preset's own."""
        return self.width or WIDTHS[self.preset]


WIDTHS: dict[Preset, int] = {"own": 24, "decode-like": 48, "luenn-like": 64}
"""As published, for those like others."""


@dataclass(frozen=True)
class Loss(Settings):
    """Weights of the parts of ``frames.loss``."""

    cross_entropy: Annotated[float, Bounds(0)] = 1.0
    """At the start."""
    cross_entropy_late: Annotated[float, Bounds(0)] = 0.1
    warm_up: Annotated[float, Bounds(0, 1, open_least=True)] = 0.15
    """Share of the training in which the weight of the cross-entropy falls to the late one."""
    background: Annotated[float, Bounds(0)] = 1.0
    crop_power: Annotated[float, Bounds(0, 1)] = 0.5
    """Frames of n emitters weigh (n + 1) to the minus this."""
    count_times_emitters: bool = False
    """DECODE's count weighs by the number of emitters."""
    window: Annotated[int, Bounds(1, 15)] = 5
    """Side of the window of pixels about an emitter whose predictions can be of it; odd."""
    fewest_photons: Annotated[float, Bounds(0)] = 100.0
    """Emitters with fewer photons in a frame are drawn, and not sought."""


@dataclass(frozen=True)
class Optimiser(Settings):
    """AdamW (Loshchilov 2019) with a warm-up, a cosine, clipped gradients and averaged weights."""

    rate: Annotated[float, Bounds(0, open_least=True)] = 5e-3
    """2e-3 was slower, 1e-2 no better (training of minutes, width 16)."""
    beta2: Annotated[float, Bounds(0, 1, open_most=True)] = 0.99
    decay: Annotated[float, Bounds(0)] = 0.01
    clip: Annotated[float, Bounds(0, open_least=True)] = 2.0
    """Largest norm of the gradient; it is 30 to 100, so that every step is scaled."""
    warm_up_steps: Annotated[int, Bounds(1)] = 100
    last_rate: Annotated[float, Bounds(0)] = 1e-5
    average: Annotated[float, Bounds(0, 1, open_most=True)] = 0.999
    """Share of the averaged weights that is kept at each step."""


OPTIMISERS: dict[Preset, Optimiser] = {
    "own": Optimiser(),
    "decode-like": Optimiser(rate=6e-4, beta2=0.999, decay=0.1, clip=0.03),
    "luenn-like": Optimiser(rate=8e-4, beta2=0.999),
}
LOSSES: dict[Preset, Loss] = {
    "own": Loss(),
    "decode-like": Loss(
        cross_entropy=0.0, cross_entropy_late=0.0, crop_power=0.0, count_times_emitters=True, background=2.0
    ),
    "luenn-like": Loss(),
}
"""Each with the settings that its authors published, where they did."""

CROP_PX = 32
"""Side of a frame in training."""
BATCH: dict[str, int] = {"cpu": 16, "cuda": 128}
"""Frames of a step, by the kind of device."""
CHECKPOINT_S = 60.0
"""Seconds between checkpoints."""
ON_TIME = 2.0
"""Mean on-time, frames, of emitters that are seen in three frames at once, unless stated."""


SPARSE_PER_UM2 = 0.08
"""Density of isolated emitters, by which the predicted deviations are scaled."""


@dataclass(frozen=True)
class Validation(Settings):
    """The fixed frames on which progress is measured, and on which a finished model's threshold and scales are chosen."""

    times: Annotated[int, Bounds(1)] = 10
    """How often in a training."""
    frames: Annotated[int, Bounds(8)] = 60
    side_px: Annotated[int, Bounds(16)] = 64
    final_frames: Annotated[int, Bounds(8)] = 240
    """Frames, other ones, for the threshold."""
    sparse_frames: Annotated[int, Bounds(8)] = 600
    """Frames of few emitters, for the scales."""


@dataclass(frozen=True)
class Training(Settings):
    """A training, as its ``config.toml`` holds it."""

    sampling: Literal["random", "structure", "mixed"] = "mixed"
    structure: str | None = None
    psf: str | None = None
    """A calibration; None is the default PSF."""
    camera: str = "photons"
    """As ``frames.camera.read_camera`` takes it."""
    steps: Annotated[int, Bounds(1)] | None = None
    minutes: Annotated[float, Bounds(0, open_least=True)] | None = None
    """Time budget; one of the two is given."""
    seed: Annotated[int, Bounds(0)] = 0
    device: Device = "auto"
    batch: Annotated[int, Bounds(1)] | None = None
    """Frames of a step; None is ``BATCH``."""
    crop_px: Annotated[int, Bounds(16)] = CROP_PX
    network: Network = field(default_factory=Network)
    frames: FrameSettings = field(default_factory=FrameSettings)
    loss: Loss = field(default_factory=Loss)
    optimiser: Optimiser = field(default_factory=Optimiser)
    validation: Validation = field(default_factory=Validation)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps is None) == (self.minutes is None):
            raise HollyError("a training has a number of steps or a number of minutes; set one of the two")
        if self.crop_px % 8:
            raise HollyError(f"crop_px is {self.crop_px}; it must be a multiple of 8, which every network takes")


LOWEST_PROBABILITY = 0.1
"""Of a detection from which a threshold is chosen."""
THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""From which that of a model is chosen."""
PASS_PIXELS: dict[str, int] = {"cpu": 2**16, "cuda": 2**22}
"""Pixels that go through a network at once, by the kind of device."""
MARGIN_OF_SEEN = 1.15
"""Factor by which a movie may differ from the range of the training's frames before a person is warned."""
SATURATED_SHARE = 1e-4
CROWDED_PER_UM2 = 2.5
"""Localisations per square micrometre and frame at which half of the emitters are lost (reports/frames)."""

# The classical fit

BAND_NARROW, BAND_RATIO = 0.6, 1.6
"""Width of the narrow Gaussian of the band-pass, in widths of the PSF, and of the wide one, in widths of the narrow one. Wider
ones find dimmer emitters and merge more neighbours."""
ENOUGH_LIGHT = 0.98
"""Share of an emitter's light that its region holds, on average over the depths."""
CORE = 1.6
"""Half side of the small region of a first fit, in widths of the PSF."""
DEPTHS = 7
"""Depths that are compared for the start of a fit."""
FARTHEST_PX = 1.5
"""Largest distance of an emitter from its maximum along x or y, pixels."""
LEAST_EXPECTED = 1e-2
"""Photons a pixel: less is never expected, so that no pixel in the dark decides alone."""
DAMPING, MOST_STEPS, SETTLED, TRIAL_STEPS = 0.03, 40, 0.02, 6
"""Of the method of Levenberg and Marquardt: first damping, largest number of steps, the step, in standard deviations, below
which it ends, and the number of steps that are tried from each start."""
FIT_CHUNK = 512
"""Regions that are fitted together: what they need fits a processor's cache."""
GROUND_PX = 4.0
"""Standard deviation of the Gaussian under which the background's variation is seen, pixels."""
FIT_PIXELS = 2**20
"""Pixels of the frames of a block."""
SAME_PIXEL = 0.01
"""Largest relative difference of the pixels of a movie and a PSF."""
CROWDED_SHARE = 0.5
"""A movie is crowded if one emitter does not explain more than this share of its spots."""
ROUND_WIDTHS = (0.7, 2.5)
"""Least and largest width of a spot in 2D, in widths in focus."""


@dataclass(frozen=True)
class Fitting(Settings):
    """The classical fit of a movie."""

    threshold: Annotated[float, Bounds(0, open_least=True)] = 6.0
    """Least height of a maximum of the band-passed frame, standard deviations of its noise."""
    region_px: Annotated[int, Bounds(5, 127)] | None = None
    """Odd side of a region; None follows from the PSF."""
    max_misfit: Annotated[float, Bounds(0, open_least=True)] = 1.5
    """Largest deviance per degree of freedom, which is about 1 where one emitter explains the data; of single ones, one in a
    hundred is above 1.25, if the PSF and the camera are right."""
    max_sigma_nm: Annotated[float, Bounds(0, open_least=True)] = 100.0
    """Largest lateral standard deviation, nm."""
    nearest_px: Annotated[float, Bounds(0)] = 1.0
    """Two results nearer than this are of one emitter."""
    passes: Annotated[int, Bounds(1, 9)] = 2
    """Times that maxima are sought; after the first, in what is left over."""
    later_threshold: Annotated[float, Bounds(0, open_least=True)] = 12.0
    """Least height of these later maxima: errors of the fits before leave small ones."""
    sweeps: Annotated[int, Bounds(1, 99)] = 4
    """Times that all are fitted again after each later search, each with the light of the others as known."""


@dataclass(frozen=True)
class Polishing(Settings):
    """The fit of isolated detections."""

    region_px: Annotated[int, Bounds(5, 127)] | None = None
    """Odd side of a region; None follows from the PSF."""
    enough_light: Annotated[float, Bounds(0, 1)] = 0.99
    """Share of an emitter's light that its region then holds, on average over the depths."""
    room: Annotated[float, Bounds(0)] = 0.75
    """Others must be further away than this along x or y, in sides of the region: half of a side and their own light."""
    prior_widths: Annotated[float, Bounds(0, open_least=True)] = 3.0
    """Factor on a detection's deviations, which are its prior: they follow from the same data, which must not count twice."""
    most_misfit: Annotated[float, Bounds(0)] = 3.0
    """Largest excess of the deviance per degree of freedom over 1, in its standard deviations,"""
    most_residual: Annotated[float, Bounds(0)] = 4.0
    """and largest residual under a Gaussian as wide as an emitter's light, in standard deviations of the noise:"""
    residual_px: Annotated[float, Bounds(0.5)] = 1.5
    """that Gaussian's own, pixels. Beyond them a region holds more than one emitter."""
    farthest_px: Annotated[float, Bounds(0)] = 2.0
    """Largest distance of the result from the detection along x or y, pixels."""
