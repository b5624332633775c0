"""``python -m holly_triton.harness.tomography_peers``: match templates by both programs, and write the table.

pytme is installed into an environment of its own, and left out, with the reason, where that fails.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import holly_triton
from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.origin import machine, short_commit
from holly_triton.core.progress import in_parts
from holly_triton.harness.frames_peers.environments import UnavailableError
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.simulation import TomogramSettings
from holly_triton.tomography.match.reading import from_density
from holly_triton.tomography.match.template import Template
from holly_triton.tomography.match.threshold import best_threshold
from holly_triton.tomography.score.matching import match
from holly_triton.tomography.simulate.tomogram import read_classes, simulate_tomogram

from .config import ANGLE_DEG, PARTICLES, SHAPE, SNR, TILT_DEG, TOLERANCE_A, VERSION, VOXEL_A
from .programs import Found, Pytme, run_ours
from .records import Row, read_rows, write_rows
from .report import write_report

REPORTS = Path(__file__).resolve().parents[2] / "reports" / "tomography"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.tomography_peers", description=__doc__)
    parser.add_argument("structures", nargs="+", help="names or files of structures")
    parser.add_argument("--angle", type=float, default=ANGLE_DEG)
    parser.add_argument("--snr", type=float, nargs="*", default=list(SNR))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1], help="of the tomograms")
    parser.add_argument("--environments", type=Path, help="folder of the environments, kept (default: a temporary one)")
    parser.add_argument("--reports", type=Path, default=REPORTS, help="folder of match_peers.csv and match_peers.md")
    options = parser.parse_args(arguments)
    raw = options.reports / "match_peers.csv"
    try:
        with tempfile.TemporaryDirectory() as folder:
            for rows, skipped in measure(options, Path(folder)):
                write_rows(raw, rows)  # after each tomogram, so that an interrupted run keeps what it measured
                raw.with_suffix(".md").write_text(write_report(read_rows(raw), skipped), encoding="utf-8")
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1
    print(raw.with_suffix(".md"))
    return 0


def measure(options: argparse.Namespace, folder: Path) -> Iterator[tuple[list[Row], list[str]]]:
    """After each tomogram all rows so far, and a sentence for a program that was left out."""
    peer, skipped = None, []
    try:
        peer = Pytme(options.environments or folder)
    except UnavailableError as error:
        skipped.append(f"pytme was left out: {error}")
        LOG.warning("%s", skipped[0])
    rows: list[Row] = []
    tomograms = [(snr, seed) for snr in options.snr for seed in options.seeds]
    with in_parts(len(tomograms)) as begin:
        for snr, seed in tomograms:
            begin(f"SNR {snr:g}, tomogram {seed}")
            rows += rows_of(options, snr, seed, peer, folder)
            yield rows, skipped


def rows_of(options: argparse.Namespace, snr: float, seed: int, peer: Pytme | None, folder: Path) -> list[Row]:
    """All structures in one tomogram."""
    depth, height, width = SHAPE
    settings = TomogramSettings(
        structures=",".join(options.structures), particles=PARTICLES, membranes=0, size_x=width, size_y=height, size_z=depth,
        voxel_size=VOXEL_A, tilt=TILT_DEG, snr=snr, path="whole",
    )  # fmt: skip
    classes = read_classes(settings)
    tomogram = simulate_tomogram(settings, torch.Generator().manual_seed(seed), classes=classes)
    rows = []
    for density, _ in classes:
        template = from_density(density, VOXEL_A)
        truth = tomogram.truth.take(tomogram.truth.labels == template.name)
        about = Condition(template, truth, snr, seed, options.angle)
        ours = run_ours(tomogram.volume, template, options.angle)
        rows.append(row_of("holly-triton", holly_triton.__version__, ours, about))
        if peer is not None:
            other = peer.run(tomogram.volume, template, options.angle, folder)
            rows.append(row_of("pytme", VERSION.partition("==")[2], other, about))
    return rows


class Condition(NamedTuple):
    """One search of either program."""

    template: Template
    truth: ParticleList
    snr: float
    seed: int
    angle_deg: float


def row_of(program: str, version: str, found: Found, about: Condition) -> Row:
    """Figures of one search."""
    pairs = match(found.picks, about.truth, TOLERANCE_A)
    right = np.zeros(len(found.picks), bool)
    right[pairs.pick] = True
    _, oracle = best_threshold(torch.from_numpy(found.picks.scores), torch.from_numpy(right), len(about.truth))
    own = len(match(found.own, about.truth, TOLERANCE_A).pick)
    return Row(
        program=program, version=version, structure=about.template.name, seed=about.seed, snr=about.snr, angle_deg=about.angle_deg,
        rotations=found.rotations, particles=len(about.truth), f1_oracle=oracle, f1_own=2 * own / max(1, len(found.own) + len(about.truth)),
        picks_own=len(found.own), distance_a=float(np.median(pairs.distance)) if len(pairs.distance) else float("nan"),
        seconds=found.seconds, milliseconds_per_rotation=1e3 * found.seconds / max(1, found.rotations),
        device=machine(), commit=short_commit(),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
