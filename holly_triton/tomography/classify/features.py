"""Linear activations of a set, streamed into ``features.h5``.

The file has the data sets ``linear`` ``[N, L]`` float32, NaN for subtomograms that hold nothing, and, where the model knows them,
``means`` and ``covariance`` of its classes, and the attributes ``classes``, ``model`` (its digest), ``source`` and ``done``, the
number of rows that are finished.
"""

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from holly_triton.core.console import console
from holly_triton.core.distributed import joined_rows, leads, rank, summed, wait
from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, missing
from holly_triton.core.progress import watched
from holly_triton.core.stop import Stop
from holly_triton.core.types import Array
from holly_triton.tomography.config.classification import CHUNK

from .gaussians import Gaussians
from .model import Model
from .sets import SubtomogramSet, usable

LINEAR, CLASSES, DIGEST, SOURCE, DONE = "linear", "classes", "model", "source", "done"
MEANS, COVARIANCE = "means", "covariance"


@dataclass(frozen=True)
class Features:
    """The file of activations, finished up to a row.

    Attributes:
        path: of the file.
        done: rows that are finished.
        total: all rows.
        seconds: what these took now, without those of an earlier run.
        made: rows that were made now.
    """

    path: Path
    done: int
    total: int
    seconds: float = 0.0
    made: int = 0

    def read(self) -> Tensor:
        """All activations ``[N, L]``."""
        return read_features(self.path).linear


@dataclass(frozen=True)
class Activations:
    """What a file of activations holds.

    Attributes:
        linear: ``[N, L]``, NaN for subtomograms that hold nothing.
        classes: Names of the model's classes, in the order of the columns.
        gaussians: Where these lie, if the model knew it.
        source: The set.
        digest: Of the model.
    """

    linear: Tensor
    classes: tuple[str, ...]
    gaussians: Gaussians | None
    source: Path
    digest: str


def read_features(path: Path) -> Activations:
    """Read the activations that are finished.

    Raises:
        HollyError: There is no such file, or it is none of these.
    """
    import h5py

    if not path.is_file():
        raise missing(path, "the features.h5 of tomo classify or tomo discover")
    with foreign(path, "a file of features"), h5py.File(path) as file:
        linear = torch.from_numpy(file[LINEAR][: int(file.attrs[DONE])])
        known = [torch.from_numpy(file[name][:]) for name in (MEANS, COVARIANCE) if name in file]
        gaussians = Gaussians(*known) if known else None
        classes = tuple(map(str, json.loads(file.attrs[CLASSES])))
        return Activations(linear, classes, gaussians, _source(path, file), str(file.attrs[DIGEST]))


def start_features(path: Path, subtomograms: SubtomogramSet, model: Model, digest: str, *, resume: bool) -> Features:
    """A new file of activations, or with ``resume`` the one that is there, if it is of the same set and model.

    Of several processes the first makes it and the others wait for it.

    Raises:
        HollyError: It can't be written, or is of another set or model.
    """
    made = _started(path, subtomograms, model, digest, resume=resume) if leads() else None
    wait()
    return made or _started(path, subtomograms, model, digest, resume=True)


def _source(path: Path, file: Any) -> Path:
    """The set, whose place is kept relative to that of the features, so that both can be moved."""
    return (path.parent / str(file.attrs[SOURCE])).resolve()


def _started(path: Path, subtomograms: SubtomogramSet, model: Model, digest: str, *, resume: bool) -> Features:
    import h5py

    if resume and path.is_file():
        with foreign(path, "a file of features"), h5py.File(path) as file:
            here = subtomograms.source.resolve(), digest, len(subtomograms)
            if (_source(path, file), file.attrs[DIGEST], len(file[LINEAR])) != here:
                raise HollyError(f"{path}: is of another set or model; choose another folder, or pass --overwrite")
            return Features(path, int(file.attrs[DONE]), len(subtomograms))
    try:
        with h5py.File(path, "w") as file:
            shape = len(subtomograms), len(model.classes)
            file.create_dataset(LINEAR, shape, "f4", fillvalue=math.nan, chunks=(min(shape[0], CHUNK), shape[1]))
            file.attrs.update(
                {DONE: 0, DIGEST: digest, SOURCE: os.path.relpath(subtomograms.source.resolve(), path.parent.resolve())}
            )
            file.attrs[CLASSES] = json.dumps(model.classes)
            if model.gaussians is not None:
                file[MEANS], file[COVARIANCE] = model.gaussians.means.numpy(), model.gaussians.covariance.numpy()
    except OSError as error:
        raise HollyError(f"{path}: cannot be written ({error}); choose another folder") from error
    return Features(path, 0, len(subtomograms))


def extend_features(
    features: Features, subtomograms: SubtomogramSet, model: Model, report: Callable[[int], None],
    should_stop: Callable[[], bool],
) -> Features:  # fmt: skip
    """Activations of the rows that are not finished, chunk by chunk, until the end or a stop; memory is that of a chunk.

    Of several processes each reads and classifies a chunk of its own, and the first writes those of all.

    Raises:
        HollyError: A subtomogram can't be read, or the file not be written; what is finished stays.
    """
    done, start = features.done, time.monotonic()
    while done < features.total and not summed(should_stop()):
        first = done + rank() * CHUNK
        linear = joined_rows(_linear(subtomograms, model, np.arange(first, min(first + CHUNK, features.total))))
        if leads():
            _write(features.path, done, linear)
        done += len(linear)
        report(done)
    return Features(features.path, done, features.total, time.monotonic() - start, done - features.done)


def _linear(subtomograms: SubtomogramSet, model: Model, rows: Array) -> Tensor:
    """Activations ``[k, L]`` of rows ``[k]``, of which there may be none."""
    if not len(rows):
        return torch.empty(0, len(model.classes))
    volumes = subtomograms.read(rows)
    linear = model.linear(volumes)
    linear[~usable(volumes)] = math.nan
    return linear


def _write(path: Path, first: int, linear: Tensor) -> None:
    import h5py

    try:
        with h5py.File(path, "r+") as file:
            file[LINEAR][first : first + len(linear)] = linear.numpy()
            file.attrs[DONE] = first + len(linear)
    except OSError as error:
        raise HollyError(f"{path}: cannot be written ({error}); free some space, then --resume") from error


def extend_watched(features: Features, subtomograms: SubtomogramSet, model: Model, stop: Stop) -> Features:
    """``extend_features`` under a bar, until the end or a stop."""
    columns = (
        TextColumn("classifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("subtomograms"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not watched()) as bar:
        task = bar.add_task("classifying", total=features.total, completed=features.done)
        return extend_features(
            features, subtomograms, model, lambda done: bar.update(task, completed=done), lambda: stop.asked
        )
