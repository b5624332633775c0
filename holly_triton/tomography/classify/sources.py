"""What a classifier is trained on: a labelled set, split into a part to train on and a part to validate on."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.tomography.config.classification import FEWEST_OF_A_CLASS, MOST_IN_MEMORY, Training

from .sets import UNLABELLED, SubtomogramSet, fingerprint, say_unusable, standardised, usable

SPLIT, ORDER, CHANGES, NOISE = 0, 1, 2, 3
"""Purposes of random numbers, which are independent of each other."""


@dataclass(frozen=True)
class Kinds:
    """What the subtomograms of a training have in common.

    Attributes:
        classes: names.
        size: voxels along a side.
        voxel: side of a voxel, Å.
    """

    classes: tuple[str, ...]
    size: int
    voxel: float


class Examples(Protocol):
    """Subtomograms with their classes."""

    def __len__(self) -> int:
        """How many there are."""

    def read(self, rows: Array) -> tuple[Tensor, Tensor]:
        """Standardised volumes ``[k, n, n, n]`` and classes ``[k]`` int64 of rows ``[k]``."""


class Source(Protocol):
    """Examples for a training and its validation."""

    @property
    def kinds(self) -> Kinds:
        """What they have in common."""

    @property
    def validation(self) -> Examples:
        """Those that are not trained on."""

    @property
    def epoch(self) -> int:
        """Number of examples in an epoch."""

    def batch(self, step: int, count: int) -> tuple[Tensor, Tensor]:
        """Volumes and classes of a step, ``count`` or fewer; the same whenever the step is asked for."""


@dataclass(frozen=True)
class Kept:
    """Examples in memory: standardised volumes ``[N, n, n, n]`` and classes ``[N]``."""

    volumes: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def read(self, rows: Array) -> tuple[Tensor, Tensor]:
        """See ``Examples``."""
        chosen = torch.from_numpy(rows)
        return self.volumes[chosen], self.classes[chosen]


@dataclass(frozen=True)
class Filed:
    """Some rows of a set that is too large for the memory, and their classes."""

    subtomograms: SubtomogramSet
    rows: Array
    classes: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: Array) -> tuple[Tensor, Tensor]:
        """See ``Examples``."""
        return standardised(self.subtomograms.read(self.rows[rows])), self.classes[torch.from_numpy(rows)]


def examples_of(subtomograms: SubtomogramSet, rows: Array, classes: tuple[str, ...]) -> Kept | Filed:
    """The examples of some rows, each of one of these classes; in memory where that holds them all."""
    indices = class_indices(subtomograms, rows, classes)
    if len(rows) * subtomograms.size**3 * 4 <= MOST_IN_MEMORY:
        return Kept(standardised(subtomograms.read(rows)), indices)
    return Filed(subtomograms, rows, indices)


def class_indices(subtomograms: SubtomogramSet, rows: Array, classes: tuple[str, ...]) -> Tensor:
    """Index of the class of each row ``[k]``; each must be one of these."""
    assert subtomograms.labels is not None
    place = {name: index for index, name in enumerate(classes)}
    return torch.tensor([place[str(label)] for label in subtomograms.labels[rows]], dtype=torch.int64)


def epoch_rows(total: int, step: int, count: int, seed: int) -> Array:
    """Which of so many examples a step is of, ``count`` or, at the end of an epoch, fewer; each once an epoch."""
    epoch, within = divmod(step, -(-total // count))
    order = np.random.default_rng([seed, ORDER, epoch]).permutation(total)
    return order[within * count : (within + 1) * count]


@dataclass(frozen=True)
class Fixed:
    """Examples that are the same in every epoch, in another order."""

    kinds: Kinds
    training: Examples
    validation: Examples
    seed: int

    @staticmethod
    def of(subtomograms: SubtomogramSet, settings: Training) -> "Fixed":
        """The split of a labelled set.

        Raises:
            HollyError: Labels are missing, there is one class only, or a class has too few subtomograms.
        """
        rows = trainable(subtomograms).rows
        classes = classes_to_learn(subtomograms, rows)
        training, validation = split(subtomograms, rows, settings)
        kinds = Kinds(classes, subtomograms.size, subtomograms.voxel)
        parts = [examples_of(subtomograms, part, classes) for part in (training, validation)]
        return Fixed(kinds, parts[0], parts[1], settings.seed)

    @property
    def epoch(self) -> int:
        """Number of examples in an epoch."""
        return len(self.training)

    def batch(self, step: int, count: int) -> tuple[Tensor, Tensor]:
        """See ``Source``."""
        return self.training.read(epoch_rows(self.epoch, step, count, self.seed))


class Trainable(NamedTuple):
    """What of a labelled set can be trained on."""

    rows: Array
    """Labelled, not empty, every value finite, and of equal ones the first that is labelled, in rising order."""
    content: Array
    """A number for each subtomogram of the set ``[N]``, which copies have in common; -1 for what is not usable."""


def trainable(subtomograms: SubtomogramSet) -> Trainable:
    """What can be trained on; what is left out is reported.

    Raises:
        HollyError: No subtomogram has a label.
    """
    source, labels = subtomograms.source, subtomograms.labels
    if labels is None or not subtomograms.classes:
        raise HollyError(
            f"{source}: has no labels to train on; give a set with labels: in HDF5 a data set 'labels', beside a folder's "
            "files a CSV with the columns particle and label"
        )
    content = _contents(subtomograms)
    if sentence := say_unusable(source, subtomograms.names, content >= 0):
        LOG.warning("%s", sentence)
    if unlabelled := int((labels == UNLABELLED).sum()):
        LOG.warning("%s: %s no label and cannot be trained on", source, counted(unlabelled, "subtomogram has", "subtomograms have"))  # fmt: skip
    known = np.flatnonzero((content >= 0) & (labels != UNLABELLED))
    first = known[np.unique(content[known], return_index=True)[1]]
    pairs = np.unique(np.stack([content[known], np.unique(labels[known], return_inverse=True)[1]], axis=1), axis=0)
    contents, classes = np.unique(pairs[:, 0], return_counts=True)
    doubtful = np.isin(content[first], contents[classes > 1])
    if doubtful.any():
        one = first[doubtful][0]
        alike = known[content[known] == content[one]]
        names = [subtomograms.names[one], subtomograms.names[alike[labels[alike] != labels[one]][0]]]
        LOG.warning("%s: %s other labels and cannot be trained on, such as %s and %s", source, counted(int(doubtful.sum()), "subtomogram has copies with", "subtomograms have copies with"), *names)  # fmt: skip
    if copies := len(known) - len(first):
        LOG.warning("%s: %s of another one and left out", source, counted(copies, "subtomogram is a copy", "subtomograms are copies"))  # fmt: skip
    return Trainable(np.sort(first[~doubtful]), content)


def _contents(subtomograms: SubtomogramSet) -> Array:
    """``Trainable.content``."""
    content, seen = np.full(len(subtomograms), -1), dict[bytes, int]()
    with in_parts(1) as begin:
        begin("reading subtomograms")
        for first, volumes in subtomograms.chunks():
            for place in np.flatnonzero(usable(volumes).numpy()):
                content[first + place] = seen.setdefault(fingerprint(volumes[place]), len(seen))
    return content


def split(subtomograms: SubtomogramSet, rows: Array, settings: Training) -> tuple[Array, Array]:
    """Rows to train on and rows to validate on, both in rising order, with the same share of each class."""
    assert subtomograms.labels is not None
    random = np.random.default_rng([settings.seed, SPLIT])
    kept = []
    for name in np.unique(subtomograms.labels[rows]):
        members = random.permutation(rows[subtomograms.labels[rows] == name])
        kept.append(members[: max(1, round(settings.validation * len(members)))])
    validation = np.sort(np.concatenate(kept))
    return np.setdiff1d(rows, validation), validation


def classes_to_learn(subtomograms: SubtomogramSet, rows: Array) -> tuple[str, ...]:
    """The classes of some rows, sorted.

    Raises:
        HollyError: There are fewer than two, or one has too few subtomograms.
    """
    assert subtomograms.labels is not None
    names, counts = np.unique(subtomograms.labels[rows], return_counts=True)
    if len(names) < 2:
        found = f"only the class {names[0]}" if len(names) else "no usable subtomogram"
        raise HollyError(f"{subtomograms.source}: has {found}; a classifier needs at least two classes")
    if counts.min() < FEWEST_OF_A_CLASS:
        raise HollyError(
            f"{subtomograms.source}: has one subtomogram of the class {names[counts.argmin()]}; a training needs at least "
            f"{FEWEST_OF_A_CLASS} of each class"
        )
    return tuple(map(str, names))
