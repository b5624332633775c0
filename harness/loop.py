"""``python -m holly_triton.harness.loop FOLDER``: training on the reconstructed structure, from frames to a structure and back, as an experiment.

Nuclear pores are simulated as camera frames, localised by a network that was trained on random emitters, picked, and
reconstructed. A second network is then trained on the cloud that was found, in as many steps and with the same seed, and
localises the same frames again. Beside them stand a network trained on the true structure, which is the most that the
second can gain, and the true emitters themselves, which are the most that any localiser can give. What is done already
is not repeated.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

STRUCTURE, SIZE_PX, FRAMES, DENSITY_PER_UM2, STEPS = "nuclear-pore", 192, 240, 1.0, 3800
COLUMNS = "x=xnano[nm],y=ynano[nm],z=znano[nm],frame=frame"
"""Of truth.csv, read as localisations."""


class Arm(NamedTuple):
    """One way to localise the frames."""

    name: str
    training: Sequence[str]
    """Options of ``frames train``; none for the true emitters."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.loop", description=__doc__)
    parser.add_argument("folder", type=Path, help="of everything that is made; continued if it exists")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--size", type=int, default=SIZE_PX, help="of a frame, pixels")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, default=Path("reports/frames/loop.md"))
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    field, seed = folder / "field", str(options.seed)
    _once(
        field / "frames.tif", "frames", "simulate", field, "--sampling", "structure", "--structure", STRUCTURE,
        "--size", options.size, "--frames", options.frames, "--density", DENSITY_PER_UM2, "--seed", seed,
    )  # fmt: skip
    arms = (
        Arm("random", ("--sampling", "random")),
        Arm("found", ("--sampling", "structure", "--structure", str(folder / "random" / "structure"))),
        Arm("true structure", ("--sampling", "structure", "--structure", STRUCTURE)),
        Arm("true emitters", ()),
    )
    rows = [_carry_out(arm, folder, field, options.steps, seed) for arm in arms]
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(_report(rows, options), encoding="utf-8")
    print(options.report)
    return 0


def _carry_out(arm: Arm, folder: Path, field: Path, steps: int, seed: str) -> dict[str, Any]:
    """Localise, pick, reconstruct; the figures of the localisations and of the structure."""
    place = folder / arm.name.replace(" ", "-")
    place.mkdir(parents=True, exist_ok=True)
    found, reading = field / "truth.csv", ["--columns", COLUMNS]
    figures: dict[str, Any] = {}
    if arm.training:
        net, found, reading = place / "net.pt", place / "found.csv", []
        fresh = (*arm.training, "--psf", field / "psf.h5", "--width", 16, "--steps", steps, "--seed", seed)
        _once(net, "frames", "train", net, *(("--resume",) if (place / "net-training").exists() else fresh))
        _once(found, "frames", "localise", field / "frames.tif", found, "--model", net, "--no-polish")
        figures = json.loads(_run("frames", "evaluate", found, "--truth", field / "truth.csv", "--json"))
    copies, run = place / "copies.hdf5", place / "structure"
    _once(copies, "pick", found, copies, *reading)
    views = (copies, "--views", "random", "--out", run, "--seed", seed)
    _once(run / "cloud.ply", "train", *(("--resume", run) if run.exists() else views))
    cloud = json.loads(_run("evaluate", run, "--truth", STRUCTURE, "--json"))
    shape = json.loads(_run("measure", run, "--json"))
    pictures = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["pictures"]
    return {"arm": arm.name, **figures, "pictures": pictures, "cloud": cloud, "shape": shape}


def _once(made: Path, *words: Any) -> None:
    """Run a command of holly-triton unless what it makes is there."""
    if not made.exists():
        _run(*words)


def _run(*words: Any) -> str:
    """The output of a command of holly-triton; its progress goes to this program's stderr."""
    command = [sys.executable, "-m", "holly_triton", *map(str, words)]
    print("holly-triton", *map(str, words), flush=True)
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def _report(rows: Sequence[dict[str, Any]], options: argparse.Namespace) -> str:
    """The table, in Markdown."""
    lines = [
        "# Training on the reconstructed structure", "",
        f"{options.frames} frames of {options.size} x {options.size} px of {STRUCTURE}, {DENSITY_PER_UM2:g} nominal emitters per "
        f"square micrometre, 5000 photons over 50 a pixel; networks of width 16, {options.steps} steps, seed {options.seed}, "
        "not polished. Structures from random views of the picked copies.", "",
        "| trained on | Jaccard | lateral RMSE (nm) | axial RMSE (nm) | 3D efficiency | pictures | RMSD of the cloud (nm) | "
        "median (nm) | diameter (nm) | height (nm) |",
        f"|{' --- |' * 10}",
    ]  # fmt: skip
    for row in rows:
        shown = [
            f"{row[key]:.{digits}f}" if key in row else ""
            for key, digits in (("jaccard", 3), ("rmse_lateral", 1), ("rmse_axial", 1), ("efficiency_3d", 3))
        ]
        cloud, shape = row["cloud"], row["shape"]
        shown += [str(row["pictures"]), f"{cloud['rmsd']:.1f}", f"{cloud['median']:.1f}"]
        shown += ["" if shape[key] is None else f"{shape[key]:.0f}" for key in ("diameter_nm", "height_nm")]
        lines.append(f"| {row['arm']} | {' | '.join(shown)} |")
    return "\n".join([*lines, "", "`python -m holly_triton.harness.loop FOLDER` makes this table.", ""])


if __name__ == "__main__":
    sys.exit(main())
