"""The conclusion of a study of several structures: what differs between them, the page, and the comparison with the truth."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.log import LOG
from holly_triton.core.optional import MissingExtraError
from holly_triton.core.progress import following
from holly_triton.core.types import Array, Figures
from holly_triton.core.words import counted
from holly_triton.io.clouds import read_cloud
from holly_triton.io.metrics import read_metrics, write_metrics
from holly_triton.io.run_files import read_run_cloud
from holly_triton.particles.config import Config
from holly_triton.particles.data.dataset import FEWEST_PICTURES, TRUE_POSES, TRUE_STRUCTURE
from holly_triton.report import REPORT
from holly_triton.report.classes import (
    explain_absence,
    explain_difference,
    explain_preference,
    explain_shares,
    write_classes_page,
)
from holly_triton.report.symmetry import explain_imposed, warn_of_imposed
from holly_triton.validation.alignment import align
from holly_triton.validation.difference import Difference, find_difference
from holly_triton.validation.measure import measure_run
from holly_triton.view import render_cloud
from holly_triton.view.orientation import upright

from .assignment import TABLE, read_assignment
from .classes import finished_classes, structures_of


def conclude_classes(config: Config, folder: Path) -> list[str]:
    """Compare the structures and write the figures and the page; the findings, in sentences.

    Raises:
        HollyError: A file can't be read or written.
    """
    metrics = read_metrics(folder)
    found = metrics.classes
    assert found is not None
    (folder / REPORT).unlink(missing_ok=True)
    members = {member.config.structure or 0: member.folder for member in structures_of(config, folder)}
    sizes = {number: measure_run(path) for number, path in members.items()}
    clouds = {number: read_run_cloud(path) for number, path in members.items()}
    reference = min(clouds)
    frame, front = upright(clouds[reference])
    differences: dict[int, Difference] = {}
    for number in following([number for number in clouds if number != reference]):
        differences[number] = find_difference(clouds[reference], clouds[number])
    pictures = {
        number: path
        for number, one in differences.items()
        if _draw(path := folder / "pictures" / f"structure-{number}.png", number, one, frame, front)
    }
    figures = {number: one.figures(frame) for number, one in differences.items()}
    words = {number: explain_difference(number, one) for number, one in figures.items()}
    sentences = [explain_shares(found), explain_preference(found)]
    if missing := explain_absence(found, FEWEST_PICTURES):
        sentences.append(missing)
    of_all = read_metrics(folder / "consensus")
    warnings = warn_of_imposed(of_all.imposed)
    if of_all.imposed is not None:
        sentences.append(
            f"The symmetry {of_all.imposed.symmetry} was imposed on the run of all particles, consensus, and on each structure."
        )
        if not warnings:
            sentences.append(f"Of consensus: {explain_imposed(of_all.imposed)}")
    write_classes_page(folder, found, sizes, sentences, words, pictures, warnings)
    findings = [*warnings, *sentences, *words.values()]
    metrics = dataclasses.replace(
        of_all, finished=True, history=None, held_out=None, findings=findings, symmetry=None,
        seconds=sum(read_metrics(path).seconds or 0 for path in (folder / "consensus", *members.values())) + (metrics.seconds or 0),
        classes={**found, "differences": {str(number): one for number, one in figures.items()}},
    )  # fmt: skip
    write_metrics(folder, metrics)
    return findings


def _draw(path: Path, number: int, one: Difference, frame: Array, front: str) -> bool:
    """Draw a structure over the first; False, with a line of log, where pyvista is not installed."""
    caption = f"blue: structure {number};  orange: structure 1;  aligned, dark is near, pale is far"
    try:
        render_cloud(
            one.second @ frame, path, truth=one.first @ frame, title=f"Structure {number} over structure 1", caption=caption, front=front
        )  # fmt: skip
    except MissingExtraError as error:
        LOG.warning("%s: not drawn; %s", path, error)
        return False
    return True


def score_classes(folder: Path) -> Figures:
    """How many particles a study of several structures assigned rightly, and how far its clouds lie from the true ones.

    The truth lies beside the data, where ``simulate --also`` wrote it. Structures are matched with true ones so that most
    particles are right. The figures are added to the study's metrics.json.

    Raises:
        HollyError: The study is not finished, or there is no truth.
    """
    config = finished_classes(folder)
    data = Path(config.data)
    beside = data if data.is_dir() else data.parent
    true = _true_structures(beside / TRUE_POSES)
    table = read_assignment(folder / TABLE)
    if unknown := [name for name in table.names if name not in true]:
        raise HollyError(f"{beside / TRUE_POSES}: has no row for particle {unknown[0]} of {folder / TABLE}")
    truth = np.array([true[name] for name in table.names])
    counts = np.zeros((table.weight.shape[1], int(truth.max())), dtype=int)  # [found, true]
    np.add.at(counts, (table.structure - 1, truth - 1), 1)
    own, matched = linear_sum_assignment(-counts)
    figures: Figures = {
        "particles": len(truth),
        "share_right": float(counts[own, matched].sum() / len(truth)),
        "counts": counts.tolist(),
        "structures": [],
    }
    runs = {member.config.structure: member.folder for member in structures_of(config, folder)}
    for found, one in zip(own + 1, matched + 1, strict=True):
        path = beside / TRUE_STRUCTURE.format(one)
        if found in runs and path.is_file():
            fit = align(read_run_cloud(runs[found]), read_cloud(path).points, handed=True)
            figures["structures"].append({"structure": int(found), "truth": path.name, "rmsd": fit.rmsd})
    write_metrics(folder, dataclasses.replace(read_metrics(folder), evaluation=figures))
    return figures


def _true_structures(path: Path) -> dict[str, int]:
    if not path.is_file():
        raise HollyError(f"{path}: is missing; only simulate --also writes the true structure of each particle")
    with foreign(path, "true poses"), path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        if rows and "structure" not in rows[0]:
            raise HollyError(
                f"{path}: has no column structure, which simulate --also writes; evaluate one structure with --truth"
            )
        return {row["picture"]: int(row["structure"]) for row in rows}


def explain_classes(figures: Figures) -> str:
    """The result of ``score_classes`` in sentences."""
    lines = [
        f"{figures['share_right']:.1%} of {counted(figures['particles'], 'particle')} are assigned to the right structure."
    ]
    lines.extend(
        f"Structure {one['structure']} is {one['truth']}: nearest-neighbour RMSD {one['rmsd']:.2f} nm."
        for one in figures["structures"]
    )
    return "\n".join(lines)
