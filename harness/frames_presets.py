"""``python -m holly_triton.harness.frames_presets FOLDER``: our network beside those like DECODE's and LUENN's, with equal processor time.

Each is trained by ``frames train`` on the same stream of frames, in as many steps as the budget allows, and localises the
same movies: independent frames, and frames in which emitters last. What is in the folder already is not repeated.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tifffile
import torch

from holly_triton.core.origin import commit
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.network import Network
from holly_triton.frames.config.training import LOSSES, ON_TIME, OPTIMISERS, Training
from holly_triton.frames.localise import Model, localise_frames
from holly_triton.frames.score.evaluate import evaluate
from holly_triton.frames.train import carry_out, start_run

from .frames_peers.config import COUNTS, Condition
from .frames_peers.movies import Clip, simulated
from .records import device_name
from .rows import read_table, write_table

WIDTH, SEED, MINUTES, EMITTERS, PACE_STEPS = 16, 0, 3.0, 1600, 30
PHOTONS, BACKGROUND = 5000.0, 50.0
DIM = 0.25
"""Share of the emitters that is set aside where they last: those that are on for a small part of a frame."""
NETWORKS = (
    Network("own", WIDTH), Network("decode-like", WIDTH), Network("luenn-like", WIDTH),
    Network("own", WIDTH, 3), Network("decode-like", WIDTH, 3),
)  # fmt: skip
KINDS: dict[str, float | None] = {"independent": None, "lasting": ON_TIME}
"""Mean on-time of emitters, frames, by the name of the movies."""

HEADS = {"independent": "Each frame by itself", "lasting": f"Emitters that last for {ON_TIME:g} frames on average"}
INTRODUCTION = f"""# The presets of `frames train`, with equal processor time

Our network, and networks like those of DECODE (Speiser 2021) and LUENN (Abdehkakha 2023), all of width {WIDTH}, seed {SEED}, with
one frame or three as input, trained on the same stream of frames, in as many steps as the time allows; the
others' losses and rates are those that their authors published, where they did. Their published sizes are larger (widths
48 and 64): this shows which network is the better one for little time, and not what
theirs reach in the end.

Then each localised the same movies of 64 x 64 px, not polished: emitters on {{emitters}}, {PHOTONS:g} photons over a
background of {BACKGROUND:g} a pixel. Figures are: 3D efficiency (Jaccard index; lateral and axial RMSE, nm), for each number of emitters a
frame. Minutes are of one processor, with validation. Networks that see three frames are trained on emitters that last; on
frames that are independent of each other they are at a disadvantage.
"""
MACHINE = """
One seed. Where emitters last, the dimmest quarter, which are on for a small part of the frame, are set aside. Measured on
{device}; commit {commit}. Raw figures: [presets.csv](presets.csv). To measure again:
`python -m holly_triton.harness.frames_presets FOLDER --positions activations.csv`.
"""


@dataclass(frozen=True)
class Row:
    """One network on one movie."""

    preset: str
    frames_at_once: int
    steps: int
    minutes: float
    """Processor time of the training, with its validation."""
    movie: str
    emitters: float
    """Mean of a frame."""
    scored: int
    jaccard: float
    rmse_lateral: float
    rmse_axial: float
    efficiency_3d: float
    frames_per_second: float
    device: str
    commit: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.frames_presets", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the networks and movies; continued if it exists")
    parser.add_argument(
        "--positions", type=Path, help="the challenge's activations.csv (default: our own microtubules)"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="processor time of each training")
    parser.add_argument("--emitters", type=int, default=EMITTERS, help="of each movie")
    parser.add_argument(
        "--reports", type=Path, default=Path("reports/frames"), help="folder of presets.csv and presets.md"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    clips = {
        (kind, count): simulated(
            options.folder / f"{kind}-{count:g}", Condition(PHOTONS, BACKGROUND, count), options.emitters,
            options.positions, SEED + 3000 + index, on_time=on_time,
        )
        for kind, on_time in KINDS.items() for index, count in enumerate(COUNTS)
    }  # fmt: skip
    raw = options.reports / "presets.csv"
    rows: list[Row] = []
    for network in NETWORKS:
        kept = options.folder / f"{name_of(network)}.csv"
        if not kept.exists():
            write_table(kept, Row, measured(network, clips, options.folder, options.minutes), 5)
        rows += read_table(kept, Row)
        write_table(raw, Row, rows, 5)
    raw.with_suffix(".md").write_text(report(rows, options.positions), encoding="utf-8")
    print(raw.with_suffix(".md"))
    return 0


def name_of(network: Network) -> str:
    """Of its files."""
    return f"{network.preset}-{network.frames_at_once}"


def training_of(network: Network, steps: int) -> Training:
    """What ``frames train --preset`` does with a network."""
    return Training(
        steps=steps, seed=SEED, device="cpu", network=network, loss=LOSSES[network.preset], optimiser=OPTIMISERS[network.preset]
    )  # fmt: skip


def pace(network: Network) -> float:
    """Processor seconds of a step."""
    with tempfile.TemporaryDirectory() as folder:
        steps = start_run(Path(folder) / "pace.pt", training_of(network, 2 * PACE_STEPS)).trainer.run()
        for _ in range(PACE_STEPS):  # the first ones prepare what later ones use
            next(steps)
        begun = time.process_time()
        for _ in steps:
            pass
        return (time.process_time() - begun) / PACE_STEPS


def measured(network: Network, clips: dict[tuple[str, float], Clip], folder: Path, minutes: float) -> list[Row]:
    """Train a network and let it localise all movies."""
    each = pace(network)
    steps, path = max(1, round(60 * minutes / each)), folder / f"{name_of(network)}.pt"
    print(f"{name_of(network)}: {steps} steps of {each:.3f} s", flush=True)
    begun = time.process_time()
    model = carry_out(start_run(path, training_of(network, steps), overwrite=True), lambda step: None, lambda: False)
    spent = (time.process_time() - begun) / 60
    return [row(network, model, clip, kind, steps, spent) for (kind, _), clip in clips.items()]


def row(network: Network, model: Model, clip: Clip, kind: str, steps: int, minutes: float) -> Row:
    """What a model finds in a movie, not polished."""
    photons = camera_preset("photons").photons(torch.from_numpy(tifffile.imread(clip.frames).astype(np.float32)))
    begun = time.process_time()
    found = localise_frames(model, photons)
    seconds = time.process_time() - begun
    scoring = clip.scoring if KINDS[kind] is None else replace(clip.scoring, dim_quantile=DIM)
    result = evaluate(found, clip.truth, scoring)
    figures = {name: result.main[name] for name in ("jaccard", "rmse_lateral", "rmse_axial", "efficiency_3d")}
    return Row(
        network.preset, network.frames_at_once, steps, minutes, kind, clip.condition.emitters, result.emitters,
        **figures, frames_per_second=len(photons) / max(seconds, 1e-9), device=device_name("cpu").partition(",")[0], commit=commit(),
    )  # fmt: skip


def report(rows: Sequence[Row], positions: Path | None) -> str:
    """The report's text."""
    first, emitters = rows[0], "our own microtubules" if positions is None else f"the positions of {positions.name}"
    lines = [
        INTRODUCTION.format(emitters=emitters),
        "| network | frames at once | steps | minutes | frames a second | " + " | ".join(f"{count:g} a frame" for count in COUNTS) + " |",
        f"|{' --- |' * (5 + len(COUNTS))}",
    ]  # fmt: skip
    parts = []
    for kind in KINDS:
        table = list(lines[1:])
        for network in NETWORKS:
            of = [
                row
                for row in rows
                if (row.preset, row.frames_at_once, row.movie) == (network.preset, network.frames_at_once, kind)
            ]
            if of:
                begin = of[0]
                figures = " | ".join(_figures(row) for row in of)
                table.append(
                    f"| {begin.preset} | {begin.frames_at_once} | {begin.steps} | {begin.minutes:.1f} | {begin.frames_per_second:.0f} | {figures} |"
                )
        parts.append(f"## {HEADS[kind]}\n\n" + "\n".join(table) + "\n")
    end = MACHINE.format(device=first.device, commit=first.commit)
    return "\n".join([lines[0], *parts, end])


def _figures(row: Row) -> str:
    return f"{row.efficiency_3d:.2f} ({row.jaccard:.2f}; {row.rmse_lateral:.0f}, {row.rmse_axial:.0f})"


if __name__ == "__main__":
    sys.exit(main())
