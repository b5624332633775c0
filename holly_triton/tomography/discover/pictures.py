"""The pictures of a discovery: gallery of averages, their curves, and the plane of features."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from holly_triton.core.types import Array
from holly_triton.tomography.classify.features import Activations
from holly_triton.tomography.classify.sets import UNLABELLED, SubtomogramSet
from holly_triton.tomography.config.discovery import GALLERY, Discovery
from holly_triton.tomography.pictures.averages import draw_averages
from holly_triton.tomography.pictures.confusion import shown_class
from holly_triton.tomography.pictures.curves import Shells, draw_fsc
from holly_triton.tomography.pictures.embedding import draw_embedding

from .clustering import Clusters
from .embedding import embedded
from .records import read_curve, read_map
from .results import Entry

SURVEY, CORRELATIONS, PLANE = "gallery.png", "fsc.png", "embedding.png"
WRITTEN = (SURVEY, CORRELATIONS, PLANE)
CURVES_SHOWN = 8


def draw_pictures(
    out: Path, subtomograms: SubtomogramSet, clusters: Clusters, entries: Sequence[Entry], found: Activations, settings: Discovery
) -> None:  # fmt: skip
    """Draw all of them; without an average there is no gallery.

    Raises:
        HollyError: A file can't be read or written.
    """
    averaged = [entry for entry in entries if entry.main is not None][:GALLERY]
    if averaged:
        volumes = {_title(entry): read_map(out, entry.number) for entry in averaged}
        draw_averages(out / SURVEY, volumes, subtomograms.voxel)
        curves = {f"cluster {entry.number}{_doubt(entry)}": _curve(out, entry) for entry in averaged[:CURVES_SHOWN]}
        draw_fsc(out / CORRELATIONS, curves)
    rows, places = embedded(found, settings)
    names = np.array([f"cluster {number}" for number in clusters.of[rows]])
    coloured = averaged or entries[:GALLERY]
    panels = {f"clusters, {'those averaged' if averaged else 'the first'} in colour": names}
    if subtomograms.labels is not None:
        known = subtomograms.labels[rows]
        panels["labels of the set"] = _shown(np.where(known == UNLABELLED, "not known", known))
    else:
        panels["nearest class of the training"] = _shown(clusters.nearest[rows].astype(str))
    axis = "t-SNE" if settings.embedding == "tsne" else "principal component"
    shown = [f"cluster {entry.number}" for entry in coloured]
    draw_embedding(out / PLANE, places, panels, axis, shown)


def _shown(labels: Array) -> Array:
    return np.array([shown_class(str(label)) for label in labels])


def _title(entry: Entry) -> str:
    assert entry.main is not None
    return f"{entry.number}: {entry.main['particles']} particles{_doubt(entry)}"


def _doubt(entry: Entry) -> str:
    """What a picture says of an average whose halves agree no better than noise."""
    return "" if entry.consistent else ", no evidence"


def _curve(out: Path, entry: Entry) -> Shells:
    """The FSC of the halves of a cluster's largest class."""
    frequency, correlation = read_curve(out, entry.number)
    assert entry.main is not None
    resolution = entry.main["resolution_angstrom"]
    return Shells(frequency.numpy(), correlation.numpy(), np.inf if resolution is None else float(resolution))
