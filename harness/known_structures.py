"""``python -m holly_triton.harness.known_structures DATA FOLDER``: published simulations of known structures in 3D.

100 nuclear pores of 32 sites (Heydarian et al. 2021), and tetrahedra of which labels scatter alike along each axis, or more along
one (15 particles each). The run of a seed is that of ``holly-triton train`` with its defaults. Runs that are done already are not
repeated.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.io import loadmat
from scipy.spatial.transform import Rotation

from holly_triton.core.errors import HollyError
from holly_triton.core.origin import here, origin_of
from holly_triton.core.types import Array
from holly_triton.harness.frames_peers.environments import UnavailableError
from holly_triton.io.run_files import read_poses
from holly_triton.validation.alignment import align
from holly_triton.validation.group import find_group
from holly_triton.validation.pose_error import RIGHT_DEG, find_pose_error

from .particles_peers.config import LIMIT_S
from .particles_peers.processes import train

PIXEL_NM = 130.0
"""Unit of the pores' positions (their authors' demo1.m)."""
EDGE_NM = 100.0
"""That of the tetrahedra, which is the length of their edges, is not stated; this is a length of such origami."""
TETRAHEDRA = 15
COLUMNS = {
    "rmsd": ("RMSD (nm)", "{:.2f}"),
    "right": (f"poses within {RIGHT_DEG:g} degrees", "{:.1%}"),
    "angle": ("pose error, median (degrees)", "{:.2f}"),
    "points": ("points", "{:.0f}"),
    "seconds": ("CPU (s)", "{:.0f}"),
}
"""Heading of each figure, and its format."""


class Known(NamedTuple):
    """Particles of a structure that is known: localisations of particle i lie about ``turns[i] @ truth`` and a shift."""

    data: Path
    options: tuple[str, ...]
    """Of ``train``, that state the data's unit."""
    truth: Array  # [M, 3] nm
    turns: Array  # [P, 3, 3]
    names: tuple[str, ...]
    """As a run names the particles."""


def pores(data: Path) -> Known:
    """The pores; a file has the quaternion by which each of them is turned into the frame of their model."""
    folder = data / "npc-simulated-gt"
    truth = loadmat(folder / "NPCModel.mat")["NPCModel"] * PIXEL_NM
    particles = [entry[0, 0] for entry in loadmat(folder / "data.mat")["particles"].ravel()]
    turns = Rotation.from_quat([one["param"].ravel()[:4] for one in particles]).inv().as_matrix()
    names = tuple(str(number + 1) for number in range(len(particles)))
    return Known(folder / "data.mat", ("--unit", "px", "--pixel-size", f"{PIXEL_NM:g}"), truth, turns, names)


def tetrahedra(data: Path, kind: str) -> Known:
    """The tetrahedra of one kind; a file has the corners of each of them, in one order."""
    corners = [
        np.loadtxt(data / "tetrahedra" / "model" / f"model_structure_{number}.csv", delimiter=",", skiprows=1)
        for number in range(TETRAHEDRA)
    ]
    centred = [one - one.mean(axis=0) for one in corners]
    turns = np.stack([Rotation.align_vectors(one, centred[0])[0].as_matrix() for one in centred])
    names = tuple(f"smlm_sample{number}" for number in range(TETRAHEDRA))
    options = ("--unit", "px", "--pixel-size", f"{EDGE_NM:g}", "--columns", "z=z[px]")
    return Known(data / "tetrahedra" / kind, options, centred[0] * EDGE_NM, turns, names)


CASES: dict[str, Callable[[Path], Known]] = {
    "pores": pores,
    "tetrahedra-iso": lambda data: tetrahedra(data, "iso"),
    "tetrahedra-aniso": lambda data: tetrahedra(data, "aniso"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.known_structures", description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds npc-simulated-gt and tetrahedra")
    parser.add_argument("folder", type=Path, help="of the runs and their figures; continued if it exists")
    parser.add_argument("--cases", choices=tuple(CASES), nargs="+", default=list(CASES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--report", type=Path, default=Path("reports/particles/known_structures.md"))
    options = parser.parse_args(arguments)
    try:
        for seed in options.seeds:
            for name in options.cases:
                _once(name, CASES[name](options.data), options.folder / f"{name}-{seed}", seed)
    except (HollyError, UnavailableError) as error:
        print(error, file=sys.stderr)
        return 1
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(report(options.folder), encoding="utf-8")
    print(options.report)
    return 0


def _once(name: str, known: Known, place: Path, seed: int) -> None:
    """The figures of one seed, written beside its run."""
    if (place / "figures.json").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    cloud, seconds = train(known.data, place / "run", seed, LIMIT_S, *known.options)
    row = {**here(), "case": name, "seed": seed, "seconds": seconds, **figures(known, cloud, place / "run")}
    (place / "figures.json").write_text(json.dumps(row), encoding="utf-8")
    print(json.dumps(row), flush=True)


def figures(known: Known, cloud: Array, run: Path) -> dict[str, float]:
    """How far a run's cloud and poses lie from the truth."""
    found = read_poses(run / "poses.csv")
    turns = Rotation.from_rotvec(found.axis_angle).as_matrix()
    true = known.turns[[known.names.index(name) for name in found.names]]
    unknown = np.zeros((len(turns), 3))  # shifts are not compared
    error = find_pose_error(turns, unknown, true, unknown, find_group(known.truth))
    return {
        "rmsd": align(cloud, known.truth).rmsd, "right": float(np.mean(error.angle_deg < RIGHT_DEG)),
        "angle": float(np.median(error.angle_deg)), "points": len(cloud), "particles": len(turns),
    }  # fmt: skip


def report(folder: Path) -> str:
    """The tables, in Markdown, of all runs in a folder."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/figures.json"))]
    lines = [
        "# Published simulations of known structures in 3D", "",
        f"Runs of `holly-triton train` with its defaults, on the files as they stand: 100 nuclear pores (Heydarian et al. 2021), and {TETRAHEDRA} tetrahedra of {EDGE_NM:g} nm, with labels that scatter "
        "alike along each axis (iso) or not (aniso). RMSD: root-mean-square distance of nearest neighbours, both ways, after the best rigid alignment. The "
        "error of a pose is the angle to the nearest right one, up to rotations that map the structure onto itself and one rotation that all particles share.", "",
        "| data | seed | " + " | ".join(title for title, _ in COLUMNS.values()) + " |", "|" + " --- |" * (len(COLUMNS) + 2),
    ]  # fmt: skip
    for case in CASES:
        mine = sorted((run for run in runs if run["case"] == case), key=lambda run: int(run["seed"]))
        for run in mine:
            lines.append(f"| {case} | {run['seed']} | {_cells(run)} |")
        if mine:
            lines.append(
                f"| {case} | median | {_cells({key: statistics.median(run[key] for run in mine) for key in COLUMNS})} |"
            )
    made = "`python -m holly_triton.harness.known_structures DATA FOLDER` makes this table."
    return "\n".join([*lines, "", made, "", origin_of(runs), ""])


def _cells(run: dict[str, Any]) -> str:
    return " | ".join(form.format(run[key]) for key, (_, form) in COLUMNS.items())


if __name__ == "__main__":
    sys.exit(main())
