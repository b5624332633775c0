"""Linear activations of a set, streamed into ``features.h5``, and the table of classes that follows from them.

The file has the data sets ``linear`` ``[N, L]`` float32, NaN for subtomograms that hold nothing, and the attributes
``classes``, ``model`` (its digest), ``source`` and ``done``, the number of rows that are finished.
"""

import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, replacing
from holly_triton.core.types import Array
from holly_triton.tomography.config.classification import CHUNK

from .model import Model
from .sets import SubtomogramSet, usable

LINEAR, CLASSES, DIGEST, SOURCE, DONE = "linear", "classes", "model", "source", "done"


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
        import h5py

        with foreign(self.path, "a file of features"), h5py.File(self.path) as file:
            return torch.from_numpy(file[LINEAR][: self.done])


def start_features(path: Path, subtomograms: SubtomogramSet, model: Model, digest: str, *, resume: bool) -> Features:
    """A new file of activations, or with ``resume`` the one that is there, if it is of the same set and model.

    Raises:
        HollyError: It can't be written, or is of another set or model.
    """
    import h5py

    if resume and path.is_file():
        with foreign(path, "a file of features"), h5py.File(path) as file:
            here = str(subtomograms.source.resolve()), digest, len(subtomograms)
            if (file.attrs[SOURCE], file.attrs[DIGEST], len(file[LINEAR])) != here:
                raise HollyError(f"{path}: is of another set or model; choose another folder, or pass --overwrite")
            return Features(path, int(file.attrs[DONE]), len(subtomograms))
    try:
        with h5py.File(path, "w") as file:
            shape = len(subtomograms), len(model.classes)
            file.create_dataset(LINEAR, shape, "f4", fillvalue=math.nan, chunks=(min(shape[0], CHUNK), shape[1]))
            file.attrs.update({DONE: 0, DIGEST: digest, SOURCE: str(subtomograms.source.resolve())})
            file.attrs[CLASSES] = json.dumps(model.classes)
    except OSError as error:
        raise HollyError(f"{path}: cannot be written ({error}); choose another folder") from error
    return Features(path, 0, len(subtomograms))


def extend_features(
    features: Features, subtomograms: SubtomogramSet, model: Model, report: Callable[[int], None],
    should_stop: Callable[[], bool],
) -> Features:  # fmt: skip
    """Activations of the rows that are not finished, chunk by chunk, until the end or a stop; memory is that of a chunk.

    Raises:
        HollyError: A subtomogram can't be read, or the file not be written; what is finished stays.
    """
    import h5py

    done, start = features.done, time.monotonic()
    for first, volumes in subtomograms.chunks(done):
        if should_stop():
            break
        linear = model.linear(volumes)
        linear[~usable(volumes)] = math.nan
        try:
            with h5py.File(features.path, "r+") as file:
                file[LINEAR][first : first + len(linear)] = linear.numpy()
                file.attrs[DONE] = done = first + len(linear)
        except OSError as error:
            raise HollyError(f"{features.path}: cannot be written ({error}); free some space, then --resume") from error
        report(done)
    return Features(features.path, done, features.total, time.monotonic() - start, done - features.done)


def write_classes(
    path: Path, subtomograms: SubtomogramSet, model: Model, linear: Tensor, trained_on: Array | None
) -> None:
    """Write ``classes.csv``: a row for each subtomogram, with its class, the second one, and the probability of both.

    Args:
        path: Its name.
        subtomograms: The set.
        model: What classified it.
        linear: Activations ``[N, L]``; a row with NaN gets no class.
        trained_on: Which were trained on ``[N]``; None where none was, and then there is no such column.

    Raises:
        HollyError: The file can't be written.
    """
    probability, order = model.probabilities(linear).topk(2, dim=1)
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        known = subtomograms.labels is not None
        header = ["particle", "class", "probability", "second", "second_probability"]
        table.writerow([*header, *(["label"] if known else []), *(["trained_on"] if trained_on is not None else [])])
        for row, name in enumerate(subtomograms.names):
            sound = bool(probability[row, 0].isfinite())
            first, second = (model.classes[int(place)] if sound else "" for place in order[row])
            shares = (f"{float(share):.4f}" if sound else "" for share in probability[row])
            values = [name, first, next(shares), second, next(shares)]
            values += [subtomograms.labels[row]] if subtomograms.labels is not None else []
            table.writerow(values + ([int(trained_on[row])] if trained_on is not None else []))


def truth_of(subtomograms: SubtomogramSet, model: Model, linear: Tensor) -> tuple[Array, Tensor]:
    """Rows with activations whose label is a class of the model, and the index of that class for each."""
    if subtomograms.labels is None:
        return np.zeros(0, dtype=np.int64), torch.zeros(0, dtype=torch.int64)
    place = {name: index for index, name in enumerate(model.classes)}
    index = np.array([place.get(str(label), -1) for label in subtomograms.labels])
    rows = np.flatnonzero((index >= 0) & linear.isfinite().all(1).numpy())
    return rows, torch.from_numpy(index[rows])
