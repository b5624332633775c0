"""A table of the paper from the runs of ``reproduce``, with a montage of each row."""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from holly_triton.core.files import foreign, replacing
from holly_triton.core.origin import short_commit
from holly_triton.core.types import Array
from holly_triton.io.clouds import read_cloud
from holly_triton.io.metrics import read_metrics
from holly_triton.io.units import UNIT_NM
from holly_triton.particles.config import Pose
from holly_triton.particles.paper.config import SCALES, SUCCESS
from holly_triton.validation.alignment import align
from holly_triton.view import PANEL_PX, corner

from .presets import TABLES, Preset, presets_of

RANDOM_CLOUDS = 5
"""Number of random clouds over which the baseline is the median."""
MONTAGE_SEEDS = 5
MONTAGE_PX = 300
MONTAGE_COLOURS = 64
"""Size and colours of a montage, which keep it under 300 KiB."""

INTRODUCTION = f"""\
RMSD is symmetric (root of the mean of both directions' mean squared distance to the nearest point), in the paper's
units of {UNIT_NM:g} nm, after the best rotation and shift of the better handedness, without scaling and with all points. A success is an
RMSD under {SUCCESS:g}. Projections do not determine the handedness, so both mirror images are correct; "mirrored" states
for every seed whether it ended with the opposite handedness. Times are not given, since runs share a machine. The random cloud is
the baseline (the paper's is 0.17): as many points from an isotropic Gaussian, scaled to the truth's radius of gyration,
aligned and scored in the same way, median of {RANDOM_CLOUDS}.
"""


@dataclass(frozen=True)
class Score:
    """Result of one finished run."""

    folder: Path
    seed: int
    rmsd: float  # units of UNIT_NM
    mirrored: bool
    points: int
    pictures: int
    machine: str
    version: str
    energy_wh: float | None  # None where the machine does not count energy


@dataclass(frozen=True)
class Row:
    """All runs of one preset with one pose method, at one scale."""

    preset: Preset
    pose: str
    scale: str
    scores: list[Score]

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.preset.name}-{self.pose}-{self.scale}"


def read_score(folder: Path) -> Score | None:
    """The figures of a run, or None where it is not finished and evaluated.

    Raises:
        HollyError: Its metrics.json is damaged.
    """
    path = folder / "metrics.json"
    if not path.is_file():
        return None
    metrics = read_metrics(folder)
    with foreign(path, "the figures of a run"):
        evaluation = metrics.evaluation
        if not metrics.finished or evaluation is None:
            return None
        # A file written by a run is complete; one that was edited may lack parts.
        values = metrics.recorded()
        return Score(
            folder=folder,
            seed=values["seed"],
            rmsd=evaluation["rmsd"] / UNIT_NM,
            mirrored=evaluation["mirrored"],
            points=values["points"],
            pictures=values["pictures"],
            machine=f"{values['device']} ({values['threads']} thread{'s' if values['threads'] > 1 else ''})",
            version=values["versions"]["holly-triton"],
            energy_wh=metrics.energy_wh,
        )


def write_table(table: str, runs: Path, out: Path) -> Path:
    """Write ``out/<table>.md`` and its montages from every finished run of the table's rows.

    Args:
        table: Number of the table.
        runs: Folder of the run folders.
        out: Output folder.

    Raises:
        HollyError: A run's files are damaged, or a file can't be written.
    """
    path = out / f"{table}.md"
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    rows = list(_rows(table, runs))
    parts = [f"# Table {table}: {TABLES[table]}\n", INTRODUCTION]
    parts += [part for scale in SCALES for part in _section(scale, [row for row in rows if row.scale == scale], out)]
    missing = [preset.row for preset in presets_of(table) if preset not in [row.preset for row in rows]]
    if missing:
        parts.append(f"Not run: {', '.join(missing)}.\n")
    with replacing(path) as partial:
        partial.write_text("\n".join(parts), encoding="utf-8")
    return path


def random_rmsd(truth_nm: Array, points: int) -> float:
    """Score of a random cloud of the same size as the truth: the baseline of the tables.

    Args:
        truth_nm: ``[M, 3]`` nm.
        points: Number of points of the random clouds.

    Returns:
        Median symmetric RMSD, nm, of ``RANDOM_CLOUDS`` isotropic Gaussian clouds that are scaled to the truth's
        radius of gyration, each aligned in the same way as a result.
    """
    return float(
        np.median([align(_random_cloud(truth_nm, points, seed), truth_nm).rmsd for seed in range(RANDOM_CLOUDS)])
    )


def _random_cloud(truth_nm: Array, points: int, seed: int) -> Array:
    cloud = np.random.default_rng(seed).normal(size=(points, 3))
    return np.asarray((cloud - cloud.mean(axis=0)) * (_gyration(truth_nm) / _gyration(cloud)))


def _gyration(points: Array) -> float:
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))


def _baseline(truth: Path, points: int) -> float:
    """The baseline in units; most rows of a table share one cloud, of which every run has a copy."""
    return _baseline_of(read_cloud(truth).points.tobytes(), points)


@functools.cache
def _baseline_of(truth: bytes, points: int) -> float:
    return random_rmsd(np.frombuffer(truth).reshape(-1, 3), points) / UNIT_NM


def _rows(table: str, runs: Path) -> Iterator[Row]:
    for preset in presets_of(table):
        for scale in SCALES:
            for pose in get_args(Pose):
                folders = runs.glob(f"{preset.name}-{pose}-{scale}-*")
                scores = [score for folder in folders if (score := read_score(folder)) is not None]
                if scores:
                    yield Row(preset, pose, scale, sorted(scores, key=lambda score: score.seed))


def _section(scale: str, rows: Sequence[Row], out: Path) -> Iterator[str]:
    if not rows:
        return
    scores = [score for row in rows for score in row.scores]
    yield f"## Scale {scale}\n"
    yield f"{_list(score.pictures for score in scores)} pictures; on {_list(score.machine for score in scores)}; holly-triton {_list(score.version for score in scores)}; written at commit {short_commit()}.\n"
    energy = any(score.energy_wh is not None for score in scores)
    yield "\n".join([*_header(energy), *(_line(row, energy) for row in rows)]) + "\n"
    for row in rows:
        picture = _montage(row, out / "pictures" / f"{row.name}.png")
        seeds = _list(score.seed for score in row.scores[:MONTAGE_SEEDS])
        if picture is None:
            yield f"{row.name}: no montage, since the runs hold no pictures (pyvista draws them).\n"
        else:
            yield f"![{row.name}](pictures/{picture.name})\n"
            yield f"{row.preset.row}, {row.pose}, seed {seeds}: truth orange, result blue; front above, oblique below.\n"


COLUMNS = ("row", "cloud", "noise", "poses by", "points", "RMSD, median", "quartiles", "every seed", "success", "mirrored", "random cloud")  # fmt: skip


def _header(energy: bool) -> list[str]:
    columns = [*COLUMNS, "Wh, median"] if energy else COLUMNS
    return [_cells(columns), _cells("---" for _ in columns)]


def _line(row: Row, energy: bool) -> str:
    preset, scores = row.preset, row.scores
    rmsd = [score.rmsd for score in scores]
    low, median, high = np.quantile(rmsd, [0.25, 0.5, 0.75])
    points = scores[0].points
    cells = [
        preset.row,
        re.sub(r"_large\.obj$", "", preset.cloud),
        preset.noise,
        row.pose,
        str(points),
        f"{median:.4f}",
        f"{low:.4f} to {high:.4f}" if len(rmsd) > 2 else "",
        ", ".join(f"{value:.4f}" for value in rmsd),
        f"{sum(value < SUCCESS for value in rmsd)} of {len(rmsd)}",
        ", ".join("yes" if score.mirrored else "no" for score in scores),
        f"{_baseline(scores[0].folder / 'truth.ply', points):.2f}",
    ]
    known = [score.energy_wh for score in scores if score.energy_wh is not None]
    if energy:
        cells.append(f"{np.median(known):.1f}" if known else "")
    return _cells(cells)


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _list(values: Iterable[Any]) -> str:
    """The distinct values, in the order of their first occurrence."""
    return ", ".join(dict.fromkeys(map(str, values)))


def _montage(row: Row, path: Path) -> Path | None:
    """Front and oblique views of the first seeds side by side, cut from the runs' own pictures; None without these."""
    from PIL import Image

    pictures = [score.folder / "pictures" / "truth.png" for score in row.scores[:MONTAGE_SEEDS]]
    pictures = [picture for picture in pictures if picture.is_file()]
    if not pictures:
        return None
    montage = Image.new("RGB", (MONTAGE_PX * len(pictures), 2 * MONTAGE_PX), "white")
    for column, picture in enumerate(pictures):
        with foreign(picture, "PNG"), Image.open(picture) as views:
            for line, view in enumerate((0, 3)):
                left, top = corner(view)
                panel = views.convert("RGB").crop((left, top, left + PANEL_PX, top + PANEL_PX))
                montage.paste(panel.resize((MONTAGE_PX, MONTAGE_PX)), (column * MONTAGE_PX, line * MONTAGE_PX))
    with replacing(path) as partial:
        montage.quantize(MONTAGE_COLOURS, dither=Image.Dither.NONE).save(partial, format="PNG", optimize=True)
    return path
