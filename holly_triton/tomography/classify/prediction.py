"""The table of classes that follows from linear activations, and which of them can be judged."""

import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.files import replacing
from holly_triton.core.types import Array

from .model import Model
from .sets import SubtomogramSet


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
