"""The report of the study: tables and pictures made anew from what is kept."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path

from holly_triton.core.files import replacing
from holly_triton.core.origin import written_here
from holly_triton.tomography.pictures.averages import draw_averages
from holly_triton.tomography.pictures.curves import Shells, draw_fsc
from holly_triton.tomography.score.evaluate import Score

from .averages import HALF, WORDS, Averaged
from .config import ARMS, DEFOCUS_UM, METHODS, NETWORKS, REFERENCE, TOLERANCE, Condition, StudyScale
from .pictures import draw_all
from .results import Results, middle
from .verdict import verdict

TABLE, ROWS = "figures.md", "figures.csv"
HOW = """\
Every seed has tomograms of its own for training, validation and test; a class has {particles} particles in each, of {size} voxels of
{voxel:g} Å, at tilts every {step:g}° and {defocus:g} µm of defocus. Training tomograms are simulated as the training goes, {first} before it
and one more every 50 steps, at signal-to-noise ratios and tilts drawn from ranges that hold the five conditions, so that one network
serves all of them (the paper does not say whether it trained one for each, and had 510 particles of each class). The test tomograms
of a seed hold the same particles in all conditions.

Our network (width {own}) and the paper's recipe (DeepFinder's network with {deepfinder} features at its finest level, 32 as published;
labelled spheres, cross-entropy, Adam at 1e-4, patches of 56 voxels, {batch} a step, mean-shift clustering with a least size for each
class; normalisation and turns of patches by 180° as for our network) are trained for {steps} steps. Template matching takes rotations every {angle:g}° of
the very densities of the simulation, as the paper's did; a position goes to the template of the highest score. Its own threshold
follows from the expected number of false positives, an oracle's from the best F1 of each class, as in the paper.

A pick is right within {tolerance:g} Å of a particle of its class, one to one, the surest first. In braces: each seed.
The density maps are those of the wwPDB entries 4v4r, 2uv8, 1mnf, 1aon, 3j9i, 6utj and 3ipm; sphere and disc are decoys by formula.
"""


CAPTIONS = {
    "figure7.png": "F1 of each class at SNR 0.10 and ±60°: bars are means over the seeds, dots the seeds.",
    "figure7_confusion.png": "Rows are true classes, columns classes picked, for all seeds together: numbers are counts, colours shares of a row. The last row holds picks without a particle, the last column particles without a pick.",
    "figure8.png": "Mean F1 over the SNR and over the range of tilts: lines are means over the seeds, ticks the seeds.",
    "figure11.png": "Recall, precision and F1 of the first seed over the threshold of the score, for 70S and for all classes together; the dot is the highest F1.",
}


def write_report(
    out: Path, title: str, scale: StudyScale, results: Results, averaged: Sequence[Averaged], notes: Sequence[str]
) -> Path:
    """Write ``figures.md``, ``figures.csv`` and the pictures from what is finished.

    Args:
        out: Folder.
        title: In words, the scale.
        scale: How large tomograms and trainings are.
        results: What methods found.
        averaged: The averages of each seed.
        notes: Why something is left out, a sentence each.

    Raises:
        HollyError: A file can't be written.
    """
    pictures = draw_all(out, results)
    how = HOW.format(
        particles=scale.particles, size=f"{scale.size_x} x {scale.size_y} x {scale.size_z}", voxel=scale.voxel_size,
        steps=scale.steps, first=scale.first,
        own=scale.network_width, deepfinder=scale.deepfinder_width, batch=scale.deepfinder_batch, step=scale.step, defocus=DEFOCUS_UM, angle=scale.angle_deg, tolerance=TOLERANCE,
    )  # fmt: skip
    parts = [f"# Figures 7, 8 and 11 to 13 of Moebel et al. 2018: scale {title}\n", "## Verdict\n"]
    parts += [f"- {line}" for line in (*verdict(results, scale, averaged), *notes)]
    parts += ["", "## How it was measured\n", how]
    parts += [f"![{Path(name).stem}]({name})\n\n{CAPTIONS[name]}\n" for name in pictures]
    parts += ["## Figure 7: classes, at SNR 0.10 and ±60°\n", *_classes(results)]
    parts += ["## Figure 8: mean F1 over the conditions\n", _conditions(results)]
    parts += ["## Figures 12 and 13: averages of 70S\n", *_averages(out, scale, averaged)]
    parts += ["## Time\n", _times(results), f"{written_here()}\n"]
    with replacing(out / TABLE) as partial:
        partial.write_text("\n".join(parts), encoding="utf-8")
    _write_csv(out / ROWS, results)
    return out / TABLE


def _classes(results: Results) -> Iterator[str]:
    for figure in ("f1", "recall", "precision"):
        yield f"{figure if figure != 'f1' else 'F1'}:\n"
        labels = sorted({label for arm in results.arms for score in results.scores(arm, REFERENCE) for label in score.classes})  # fmt: skip
        rows = [[label, *(_seeds(_of_class(results, arm, label, figure)) for arm in results.arms)] for label in labels]
        rows.append(["mean", *(_seeds([score.macro[figure] for score in results.scores(arm, REFERENCE)]) for arm in results.arms)])  # fmt: skip
        if figure == "f1":
            rows.append(["without regard to classes", *(_seeds([score.blind.f1 for score in results.scores(arm, REFERENCE)]) for arm in results.arms)])  # fmt: skip
            errors = [[score.overall.figures()["median_error_angstrom"] for score in results.scores(arm, REFERENCE)] for arm in results.arms]  # fmt: skip
            rows.append(["median error, Å", *(_seeds(each, 1) for each in errors)])
        yield _table(["class", *(ARMS[arm] for arm in results.arms)], rows)


def _of_class(results: Results, arm: str, label: str, figure: str) -> list[float]:
    return [getattr(score.classes[label].counts, figure) for score in results.scores(arm, REFERENCE) if label in score.classes]  # fmt: skip


def _conditions(results: Results) -> str:
    rows = [
        [
            f"{condition.snr:g}",
            f"±{condition.tilt:g}°",
            *(_seeds(results.mean_f1(arm, condition)) for arm in results.arms),
        ]
        for condition in results.conditions
    ]
    return _table(["SNR", "tilts", *(ARMS[arm] for arm in results.arms)], rows)


def _averages(out: Path, scale: StudyScale, averaged: Sequence[Averaged]) -> Iterator[str]:
    """A table of particles and resolutions; of the first seed curves and pictures too."""
    names = [name for name in WORDS if any(name in each.names for each in averaged)]
    if not names:
        yield "Not yet.\n"
        return
    yield (
        "Particles whose box leaves the tomogram are left out. Resolution: where the Fourier shell correlation of half averages that "
        "never saw each other's particles first falls below 0.143, behind a soft sphere of 0.4 of the box; the halves share the first "
        f"reference, up to 60 Å. The finest detail that these voxels hold is {2 * scale.voxel_size:g} Å.\n"
    )
    rows = [
        [
            WORDS[name], _of_all(averaged, name, "counts", 0), _of_all(averaged, name, "resolution", 1),
            _seeds([each.coarser(name) for each in averaged if name in each.names], 1),
        ]
        for name in names
    ]  # fmt: skip
    yield _table(["average of", "particles", "resolution, Å", f"below {HALF:g}, Å"], rows)
    first = averaged[0]
    curves = {
        name: Shells(first.frequency, correlation, resolution)
        for name, correlation, resolution in zip(first.names, first.correlation, first.resolution, strict=True)
    }
    draw_fsc(out / "figure12.png", curves)
    draw_averages(out / "figure13.png", dict(zip(first.names, first.volumes, strict=True)), scale.voxel_size)
    yield "![FSC of the first seed](figure12.png)\n"
    yield "![Averages of the first seed](figure13.png)\n"


def _of_all(averaged: Sequence[Averaged], name: str, figure: str, digits: int) -> str:
    return _seeds([getattr(each, figure)[each.names.index(name)] for each in averaged if name in each.names], digits)


def _times(results: Results) -> str:
    rows = [
        [
            ARMS[method],
            _seeds(results.training_seconds(method), 0) if method in NETWORKS else "",
            f"{middle(seconds):.1f}",
            f"{len(seconds)}",
        ]
        for method in METHODS
        if (seconds := results.seconds(method))
    ]
    return _table(["method", "training, s", "s a tomogram", "tomograms"], rows)


def _seeds(values: list[float], digits: int = 3) -> str:
    if not values:
        return ""
    mean, *each = (f"{value:.{digits}f}" if isfinite(value) else "none" for value in (middle(values), *values))
    return f"{mean} {{{', '.join(each)}}}" if len(each) > 1 else mean


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)) + "\n"


def _write_csv(path: Path, results: Results) -> None:
    """A row for each arm, seed, condition and class."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["arm", "seed", "snr", "tilt", "class", "matched", "missed", "false", "f1", "median_error_angstrom"]
        )
        for condition in results.conditions:
            for arm in results.arms:
                for seed in results.seeds:
                    score = results.score(arm, seed, condition)
                    if score is not None:
                        writer.writerows(_rows(arm, seed, condition, score))


def _rows(arm: str, seed: int, condition: Condition, score: Score) -> Iterator[list[object]]:
    for name, each in (*score.classes.items(), ("all", score.overall)):
        figures = each.figures()
        yield [
            arm, seed, condition.snr, condition.tilt, name, *each.counts, f"{each.counts.f1:.5f}",
            f"{figures['median_error_angstrom']:.2f}",
        ]  # fmt: skip
