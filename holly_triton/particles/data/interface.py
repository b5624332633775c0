"""The interface that all data sets share."""

from typing import Protocol

import torch
from torch import LongTensor, Tensor

from holly_triton.geometry import Grid


class Drawable(Protocol):
    """A source of pictures, centred on the particles' centroids. Lengths are nm."""

    @property
    def names(self) -> list[str]:
        """The pictures' own ids ``[P]``."""
        ...

    @property
    def finest_nm(self) -> float:
        """Sigma below which the data have no detail, nm; 0 if it is not stated."""
        ...

    def __len__(self) -> int: ...

    def draw(self, index: LongTensor | Tensor, grid: Grid, sigma_nm: float) -> Tensor:
        """Pictures ``[B, S, S]`` of some particles ``[B]`` at one width, not normalised."""
        ...


class Dataset(Drawable, Protocol):
    """The interface of every data set."""

    @property
    def centres(self) -> Tensor:
        """Original positions of the particles' centroids ``[P, 2 or 3]``, nm."""
        ...

    @property
    def notes(self) -> list[str]:
        """Sentences about what was skipped and why, and what was assumed."""
        ...

    @property
    def doubts(self) -> list[str]:
        """Those notes that cast doubt on every result; they are repeated wherever a result is shown."""
        ...

    @property
    def noun(self) -> str:
        """What one of them is called: a particle, a view of one, or a picture."""
        ...

    @property
    def source(self) -> str:
        """The format, in words."""
        ...

    @property
    def radius_nm(self) -> float:
        """Circle about the centroids that holds 99.5 % of the intensity, nm."""
        ...

    @property
    def gyration_nm(self) -> float:
        """Radius of gyration of the structure, 3D, nm, estimated from the pictures."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels; none where there is one without a name."""
        ...

    @property
    def counts(self) -> Tensor | None:
        """Localisations of each picture ``[P]``; None where that is not known."""
        ...

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data on another device."""
        ...

    def select(self, index: Tensor) -> "Dataset":
        """Some of the pictures ``[B]``, in the order of the index."""
        ...

    def summary(self) -> dict[str, str]:
        """Rows of the ``info`` screen."""
        ...
