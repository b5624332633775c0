"""Real nuclear pores, each turned at random: our poses and Picasso's averages, by the same figures."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

import holly_triton
from holly_triton.core.origin import machine, short_commit
from holly_triton.core.types import Array
from holly_triton.harness.frames_peers.environments import call, interpreter
from holly_triton.particles.data import Localisations, open_dataset

from .config import DISPLAY_NM, ITERATIONS, LIMIT_S, PICASSO
from .figures import ring_figures
from .processes import train
from .records import AverageRow

SCRIPT = Path(__file__).with_name("run_picasso.py")


class Particles(NamedTuple):
    """Localisations of particles."""

    name: str
    xyz: Array  # [E, 2] or [E, 3] nm
    particle: Array  # [E], from 0
    seed: int


def read_registered(path: Path, name: str) -> Particles:
    """Particles as a file has them, which may be registered.

    Raises:
        HollyError: They can't be read.
    """
    read = open_dataset(path)
    assert isinstance(read, Localisations)
    counts = read.counts.numpy()
    particle = np.repeat(np.arange(len(counts)), counts)
    rows = np.concatenate(
        [np.arange(start, start + count) for start, count in zip(read.starts.tolist(), counts, strict=True)]
    )
    return Particles(name, read.xyz[rows].double().numpy() + read.centres.numpy()[particle], particle, -1)


def turned(particles: Particles, seed: int) -> Particles:
    """Each particle about its centroid, turned at random: in its plane where it is flat, else in space."""
    rng = np.random.default_rng(seed)
    counts, dimensions = np.bincount(particles.particle), particles.xyz.shape[1]
    sums = np.stack([np.bincount(particles.particle, along) for along in particles.xyz.T], axis=1)
    centred, count = particles.xyz - (sums / counts[:, None])[particles.particle], len(counts)
    if dimensions == 2:
        turns = Rotation.from_euler("z", rng.uniform(0, 2 * np.pi, (count, 1))).as_matrix()[:, :2, :2]
    else:
        turns = Rotation.random(count, random_state=seed).as_matrix()
    return particles._replace(xyz=np.einsum("eij,ej->ei", turns[particles.particle], centred), seed=seed)


def registered_row(particles: Particles) -> AverageRow:
    """The figures of the particles as the authors registered them."""
    return _row("as registered by their authors", "", particles, particles.xyz, float("nan"))


def run_ours(particles: Particles, folder: Path) -> AverageRow:
    """The figures of the particles in the poses of ``reconstructed``."""
    run, seconds = reconstructed(particles, folder)
    placed = in_poses(particles, run / "poses.csv")
    return _row("holly-triton", holly_triton.__version__, particles, placed, seconds)


def reconstructed(particles: Particles, folder: Path) -> tuple[Path, float]:
    """The folder of ``holly-triton train`` with its defaults, without tilt where the particles are flat, and its seconds.

    Raises:
        UnavailableError: It fails or takes too long.
    """
    data, flat = folder / f"{particles.name}.csv", particles.xyz.shape[1] == 2
    names = ["x [nm]", "y [nm]", "z [nm]"][: particles.xyz.shape[1]]
    columns = np.column_stack([particles.xyz, particles.particle])
    np.savetxt(data, columns, delimiter=",", header=",".join([*names, "particle"]), comments="", fmt="%.4f")
    run = folder / "run"
    _, seconds = train(data, run, particles.seed, LIMIT_S, *(("--tilt", "0") if flat else ()))
    return run, seconds


def in_poses(particles: Particles, poses: Path) -> Array:
    """Localisations in the frame of the structure, by the poses of a run: ``R^T (x - t)``."""
    with poses.open(newline="", encoding="utf-8") as file:
        rows = {int(float(row["picture"])): row for row in csv.DictReader(file)}
    xyz = np.column_stack([particles.xyz, np.zeros(len(particles.xyz))])[:, :3]
    placed = []
    for number, row in rows.items():
        turn = Rotation.from_rotvec([float(row[name]) for name in ("rx", "ry", "rz")])
        shift = [float(row.get(name, 0)) for name in ("tx_nm", "ty_nm", "tz_nm")]
        placed.append(turn.inv().apply(xyz[particles.particle == number] - shift))
    return np.asarray(np.concatenate(placed)[:, : particles.xyz.shape[1]])


def run_picasso(particles: Particles, environments: Path, folder: Path) -> AverageRow:
    """Picasso's average, in an environment of its own.

    Raises:
        UnavailableError: It can't be installed, fails or takes too long.
    """
    python = interpreter(environments / "picassosr", "picassosr", ((PICASSO, "tifffile"),))
    names = {
        name: str(folder / f"picasso.{suffix}")
        for name, suffix in (("particles", "npz"), ("out", "npy"), ("report", "txt"))
    }
    np.savez(names["particles"], xyz=particles.xyz, particle=particles.particle)
    job = folder / "job.json"
    job.write_text(json.dumps({**names, "display_nm": DISPLAY_NM, "iterations": ITERATIONS}), encoding="utf-8")
    call([python, "-I", SCRIPT, job], LIMIT_S)
    report = json.loads(Path(names["report"]).read_text(encoding="utf-8"))
    return _row("Picasso", report["version"], particles, np.load(names["out"]), report["seconds"])


def _row(program: str, version: str, particles: Particles, placed: Array, seconds: float) -> AverageRow:
    return AverageRow(
        program=program, version=version, particles=particles.name, seed=particles.seed, **ring_figures(placed)._asdict(),
        seconds=seconds, device=machine(), commit=short_commit(),
    )  # fmt: skip
