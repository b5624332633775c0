"""Defaults of the classification of subtomograms: sets, networks, the baseline, training, and inference."""

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.errors import HollyError

from .common import VOXEL

NetworkName = Literal["own", "inception3d", "dsrf3d", "rif-svm"]
Device = Literal["auto", "cpu", "cuda"]

CHUNK = 256
"""Subtomograms that are read at a time."""
SAME_VOXEL = 0.01
"""Relative difference up to which two sizes of voxels are the same."""
BATCH: dict[str, int] = {"cpu": 128, "cuda": 1024}
"""Subtomograms that a network classifies at a time, by the kind of device."""
FEWEST_OF_A_CLASS = 2
"""Subtomograms of each class that a training needs: one to train on, one for validation."""
MOST_IN_MEMORY = 4 * 2**30
"""Bytes of a training set that are kept in memory; a larger one is read from its file at every step."""
BINS = 10
"""Bins of probability in which the calibration is measured."""
TEMPERATURES = (0.05, 20.0)
"""Within which the temperature is sought."""


@dataclass(frozen=True)
class Network(Settings):
    """Which network, and how large."""

    name: NetworkName = "own"
    width: Annotated[int, Bounds(4, 256)] = 16
    """Features of the first layer of our own network; the published ones have a fixed width."""
    dropout: Annotated[float, Bounds(0, 1, open_most=True)] | None = None
    """Share of the last layer's inputs that are dropped in training; None is that of ``DROPOUT``."""

    @property
    def dropped(self) -> float:
        """Share of the last layer's inputs that are dropped in training."""
        return DROPOUT[self.name] if self.dropout is None else self.dropout


DROPOUT: dict[NetworkName, float] = {"own": 0.2, "inception3d": 0.7, "dsrf3d": 0.0, "rif-svm": 0.0}
"""Xu et al. 2017 write that units of Inception3D were retained with a probability of 70 %; the code of the same authors
(AITom) has Keras's ``Dropout(0.7)``, which drops 70 %. The published figures are of the code, so that this is the default;
0.3 is the reading of the text."""


@dataclass(frozen=True)
class Invariants(Settings):
    """Rotation-invariant features of a subtomogram, and the support vector machine on them."""

    degree: Annotated[int, Bounds(0, 40)] = 12
    """Highest degree of the spherical harmonics."""
    regularisation: Annotated[float, Bounds(0, open_least=True)] = 10.0
    """C of the support vector machine with a Gaussian kernel, whose width is one over the variance and number of features."""


@dataclass(frozen=True)
class Optimiser(Settings):
    """AdamW with a warm-up, a cosine, clipped gradients and averaged weights, as ``core.descent`` has it."""

    rate: Annotated[float, Bounds(0, open_least=True)] = 3e-3
    beta2: Annotated[float, Bounds(0, 1, open_most=True)] = 0.99
    decay: Annotated[float, Bounds(0)] = 0.05
    clip: Annotated[float, Bounds(0, open_least=True)] = 5.0
    warm_up_steps: Annotated[int, Bounds(1)] = 50
    last_rate: Annotated[float, Bounds(0)] = 1e-5
    average: Annotated[float, Bounds(0, 1, open_most=True)] = 0.98


@dataclass(frozen=True)
class PublishedDescent(Settings):
    """Stochastic gradient descent with Nesterov momentum, as Xu et al. 2017 trained."""

    rate: Annotated[float, Bounds(0, open_least=True)] = 0.01
    decay: Annotated[float, Bounds(0)] = 1e-6
    """The rate of step t is ``rate / (1 + decay t)``."""
    momentum: Annotated[float, Bounds(0, 1, open_most=True)] = 0.9


@dataclass(frozen=True)
class Augmentation(Settings):
    """How training subtomograms are changed at each use; networks as published see them as they are."""

    turned: bool = True
    """Whether they are turned by 180 degrees about x, y or z, which keeps a symmetric missing wedge and the hand."""
    shift: Annotated[int, Bounds(0, 8)] = 2
    """Largest shift along an axis, voxels."""


@dataclass(frozen=True)
class Training(Settings):
    """A training, as its ``config.toml`` holds it."""

    data: str = ""
    """A set of labelled subtomograms, or the settings of simulated ones."""
    voxel_size: Annotated[float, VOXEL] | None = None
    """Å, where the set does not state it."""
    epochs: Annotated[int, Bounds(1)] | None = None
    """Times that each subtomogram is seen; where neither this nor ``minutes`` is given, as ``EPOCHS`` has it."""
    minutes: Annotated[float, Bounds(0, open_least=True)] | None = None
    """Time budget."""
    quick: bool = False
    """Whether a training without either is short."""
    seed: Annotated[int, Bounds(0)] = 0
    device: Device = "auto"
    batch: Annotated[int, Bounds(2)] = 64
    """Subtomograms of a step; 64 as published."""
    validation: Annotated[float, Bounds(0, 0.5, open_least=True)] = 0.15
    """Share of each class that is not trained on: the temperature is chosen on it."""
    validations: Annotated[int, Bounds(1)] = 10
    """How often progress is measured on it."""
    smoothing: Annotated[float, Bounds(0, 0.5)] = 0.05
    """Share of the probability that the loss of our own network spreads over all classes."""
    network: Network = field(default_factory=Network)
    invariants: Invariants = field(default_factory=Invariants)
    optimiser: Optimiser = field(default_factory=Optimiser)
    published: PublishedDescent = field(default_factory=PublishedDescent)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs is not None and self.minutes is not None:
            raise HollyError("a training has a number of epochs or a number of minutes; set one of the two")

    def planned(self, count: int) -> Self:
        """With a number of epochs, for a set of so many subtomograms, and a warm-up that is shorter than the training."""
        if self.minutes is not None:
            return self
        steps = math.ceil(count / self.batch)
        epochs = self.epochs
        if epochs is None:
            epochs = QUICK_EPOCHS if self.quick else EPOCHS[self.network.name]
            if self.network.name == "own":
                epochs = max(epochs, math.ceil((QUICK_STEPS if self.quick else FEWEST_STEPS) / steps))
        warm_up = min(self.optimiser.warm_up_steps, max(1, epochs * steps // 10))
        return replace(self, epochs=epochs, optimiser=replace(self.optimiser, warm_up_steps=warm_up))


EPOCHS: dict[NetworkName, int] = {"own": 40, "inception3d": 20, "dsrf3d": 20, "rif-svm": 1}
"""Where neither epochs nor minutes are given; 20 as published."""
FEWEST_STEPS = 240
"""Of our own network, however small the set is."""
QUICK_EPOCHS, QUICK_STEPS = 8, 80
"""The same where a training is short."""
