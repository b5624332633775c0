"""One page for results of all families: a section for each folder or file, with its pictures, figures and links."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from holly_triton.core.config import read_config
from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, missing
from holly_triton.core.words import counted, enumerated, rounded
from holly_triton.io.metrics import read_metrics
from holly_triton.io.run_files import is_unfinished, unfinished
from holly_triton.report import measurements
from holly_triton.report.classes import classes_headline
from holly_triton.report.headline import first_line
from holly_triton.report.page import find_figures, find_warnings
from holly_triton.report.sections import Section, Shown, write_sections
from holly_triton.report.symmetry import warn_of_imposed

from .config import FOLDERS, LEDGER, REPORT, SETTINGS, Asked
from .ledger import Ledger
from .report import find_steps, summary

Rows = list[tuple[str, ...]]


@dataclass(frozen=True)
class Kind:
    """One kind of folder.

    Attributes:
        words: What it holds, for its heading.
        marks: Files by which it is recognised.
        table: Its figures, the head first.
        pictures: File, caption, and text for a reader who does not see it; those that exist are shown.
        links: Words, and file; those that exist are linked.
        sentences: What it says first.
        warnings: Sentences about its limitations.
    """

    words: str
    marks: Sequence[str]
    table: Callable[[Path], Rows]
    pictures: Sequence[tuple[str, str, str]] = ()
    links: Sequence[tuple[str, str]] = ()
    sentences: Callable[[Path], list[str]] = lambda folder: []
    warnings: Callable[[Path], list[str]] = lambda folder: []


def _of_project(folder: Path) -> Rows:
    asked = read_config(folder / SETTINGS, Asked)
    return summary(find_steps(asked), Ledger.read(folder))


def _of_run(folder: Path) -> Rows:
    return [("figure", "value"), *measurements.rows(find_figures(folder))]


def _of_structures(folder: Path) -> Rows:
    found = _classes(folder)
    numbers = [str(number) for number in range(1, found["structures"] + 1)]
    shares = [f"{share:.1%}" for share in found["shares"]]
    return [("structure", *numbers), ("share", *shares), ("particles assigned", *map(str, found["particles"]))]


def _classes(folder: Path) -> Mapping[str, Any]:
    metrics = read_metrics(folder)
    if metrics.classes is None or not metrics.finished:
        raise unfinished(folder)
    return metrics.classes


def _from_json(name: str, words: Mapping[str, str]) -> Callable[[Path], Rows]:
    """Figures of a file, by their keys and what these are called; a list is counted, and nothing is said of what is not known."""

    def table(folder: Path) -> Rows:
        path = folder / name
        with foreign(path, "figures"):
            held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return [("figure", "value"), *((said, _value(held[key])) for key, said in words.items() if held.get(key) is not None)]  # fmt: skip

    return table


def _value(value: Any) -> str:
    if isinstance(value, list):
        return enumerated([*map(str, value)]) if all(isinstance(one, int) for one in value) else str(len(value))
    return rounded(value) if isinstance(value, float) else str(value)


AVERAGE = {
    "class": "class", "particles": "particles", "halves": "of them in the two halves", "voxel_angstrom": "voxel, Å",
    "resolution_angstrom": "resolution where the halves agree (FSC 0.143), Å",
    "truth_angstrom": "agreement with the truth (FSC 0.5), Å", "symmetry": "symmetry imposed",
}  # fmt: skip
CLASSIFIED = {
    "classified": "subtomograms classified", "classes": "classes", "judged_on": "judged on", "accuracy": "accuracy",
    "chance": "accuracy of chance",
}  # fmt: skip
DISCOVERED = {
    "subtomograms": "subtomograms", "clusters": "clusters", "averaged": "clusters averaged", "consistent": "of them with halves that agree",
    "purity": "purity, where the labels are known",
}  # fmt: skip
MOST_DRAWN = 12
"""Structures of one data set that are drawn; more are in their report."""
KINDS = (
    Kind(
        "project", (SETTINGS, LEDGER), _of_project,
        [(f"{FOLDERS['reconstruct']}/pictures/cloud.png", "The structure from three orthogonal directions and an oblique one.", "The reconstructed cloud of points seen from four directions.")],
        [("report of the project, with every step", REPORT), ("the structure, which can be turned", f"{FOLDERS['reconstruct']}/{REPORT}")],
    ),
    Kind(
        "structure", ("cloud.ply", "metrics.json"), _of_run,
        [("pictures/cloud.png", "The structure from three orthogonal directions and an oblique one.", "The reconstructed cloud of points seen from four directions."),
         ("pictures/deformation.png", "The structure two standard deviations above the mean amplitude of its deformation, blue, over that two below, orange.", "The structure at two amplitudes of its deformation, seen from four directions.")],
        [("report of the structure, where it can be turned", REPORT), ("cloud", "cloud.ply"), ("poses", "poses.csv"),
         ("amplitude of each particle", "amplitudes.csv"), ("displacements", "deformation.ply")],
        lambda folder: [first_line(find_figures(folder), None)], find_warnings,
    ),
    Kind(
        "structures in one data set", ("structures.csv", "metrics.json"), _of_structures,
        [(f"pictures/structure-{number}.png", f"Structure {number}, blue, over structure 1, orange, aligned.", f"Structures 1 and {number} from four directions.") for number in range(2, MOST_DRAWN + 1)],
        [("report of the structures", REPORT), ("probability of each structure for each particle", "structures.csv")],
        lambda folder: [classes_headline(_classes(folder))], lambda folder: warn_of_imposed(read_metrics(folder).imposed),
    ),
    Kind(
        "average of particles in tomograms", ("summary.json", "average.mrc"), _from_json("summary.json", AVERAGE),
        [("slices.png", "Slices of the average, of its halves, and of the control at random positions.", "Slices through the average and its two halves."),
         ("fsc.png", "Fourier shell correlation of the halves, over the spatial frequency.", "Curves of the Fourier shell correlation.")],
        [("average", "average.mrc"), ("aligned particles", "aligned.star"), ("curves", "fsc.csv")],
    ),
    Kind(
        "search for new structures", ("clusters.csv", "metrics.json"), _from_json("metrics.json", DISCOVERED),
        [("gallery.png", "Averages of the most novel clusters.", "Slices through the averages of the most novel clusters."),
         ("embedding.png", "Subtomograms in the plane of their features; clusters in colour were averaged.", "Scatter of the subtomograms' features in a plane."),
         ("fsc.png", "Fourier shell correlation of the halves of each average.", "Curves of the Fourier shell correlation.")],
        [("clusters, the most novel first", "clusters.csv"), ("particles", "particles.csv")],
    ),
    Kind(
        "classification of subtomograms", ("classes.csv", "metrics.json"), _from_json("metrics.json", CLASSIFIED),
        [("confusion.png", "Subtomograms of the class of each row, classified as the class of each column.", "Confusion matrix of the classes.")],
        [("classes", "classes.csv"), ("model", "model.pt")],
    ),
    Kind(
        "picks against the truth", ("confusion.png", "thresholds.png"), lambda folder: [],
        [("confusion.png", "Particles of the class of each row, picked as the class of each column.", "Confusion matrix of the classes."),
         ("thresholds.png", "Precision, recall and F1 over the threshold of the score.", "Curves over the threshold of the score.")],
        [("curves", "curves.csv")],
    ),
    Kind(
        "localisations against the truth", ("rendered.png",), lambda folder: [],
        [("rendered.png", "Localisations beside the true emitters.", "Rendered localisations beside the true emitters."),
         ("errors.png", "Errors of the localisations along each axis.", "Histograms of the errors along each axis."),
         ("by_z.png", "Figures over the depth.", "Curves of the figures over the depth.")],
    ),
)  # fmt: skip
"""In the order in which a folder is recognised: a project holds the files of a structure in a folder of its own."""
BESIDE = {
    "-preview.png": ("Frames of the movie, as recorded and with a ring about each localisation.", "Frames with rings about localisations."),
    "-drift.png": ("Drift of the sample about its mean, with its error.", "Curves of the drift along each axis."),
    "_overview.png": ("The field: picked particles and rejected candidates.", "Map of the field with circles about particles."),
    "_gallery.png": ("Some of the picked particles, and of the rejected candidates.", "Small pictures of particles, all at one scale."),
    "_confusion.png": ("Particles of the class of each row, picked as the class of each column.", "Confusion matrix of the classes."),
    ".png": ("The picture that belongs to this file.", "The picture that the command wrote beside this file."),
}  # fmt: skip
"""Pictures that commands write beside a file: what follows its name, caption, and text for a reader who does not see it."""


def write_overview(results: Sequence[Path], out: Path) -> Path:
    """Write one page about several results, in their order.

    Args:
        results: Folders of projects, runs, averages, classifications, searches and evaluations, or files with pictures beside them:
            a PSF, localisations, picked particles, a page of picks.
        out: The page.

    Raises:
        HollyError: A result is missing or not known, a file of it is damaged, or the page is not named as one or can't be
            written.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise HollyError(f"{out}: is a page; give a name that ends in .html")
    sections, warnings = [], []
    for path in results:
        if not path.exists():
            raise missing(path, "the folder or file of a result")
        kind = _kind(path) if path.is_dir() else None
        sections.append(_of_file(path, out) if kind is None else _of_folder(path, kind, out))
        if kind is not None:
            warnings += [f"{_name(path)}: {warning}" for warning in kind.warnings(path)]
    write_sections(out, out.resolve().parent.name, f"{counted(len(sections), 'result')} on one page", sections, warnings)  # fmt: skip
    return out


def _kind(folder: Path) -> Kind:
    found = next((kind for kind in KINDS if all((folder / mark).is_file() for mark in kind.marks)), None)
    if found is None and is_unfinished(folder):
        raise unfinished(folder)
    if found is None:
        raise HollyError(
            f"{folder}: is no folder of a result that is known; give that of process, train, tomo average, tomo classify, "
            "tomo discover, or of the pictures of an evaluation"
        )
    return found


def _of_folder(folder: Path, kind: Kind, out: Path) -> Section:
    shown = [Shown(folder / file, words, alt) for file, words, alt in kind.pictures if (folder / file).is_file()]
    links = [(words, _link(folder / file, out)) for words, file in kind.links if (folder / file).is_file()]
    return Section(f"{_name(folder)}: {kind.words}", kind.sentences(folder), kind.table(folder), shown, links=links)


def _of_file(path: Path, out: Path) -> Section:
    beside = {path.with_name(f"{path.stem}{ending}"): words for ending, words in BESIDE.items()}
    shown = [Shown(file, *words) for file, words in beside.items() if file.is_file()]
    if not shown:
        raise HollyError(
            f"{path}: has no picture beside it ({path.stem}.png or {path.stem}-preview.png, for instance); give a file that a "
            "command wrote with one, or the folder of a result"
        )
    return Section(path.name, pictures=shown, links=[(path.name, _link(path, out))])


def _name(folder: Path) -> str:
    return folder.resolve().name


def _link(path: Path, out: Path) -> str:
    """A link that still leads there when both are moved together."""
    return quote(os.path.relpath(path.resolve(), out.resolve().parent).replace(os.sep, "/"))
