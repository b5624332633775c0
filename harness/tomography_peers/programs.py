"""The programs: ours, and pytme, which runs in an environment of its own."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from holly_triton.harness.frames_peers.environments import UnavailableError, call, interpreter
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.config.matching import MASK_MARGIN, Matching
from holly_triton.tomography.match.match import exclusion, match_tomogram
from holly_triton.tomography.match.template import Template, spherical_mask

from .config import CANDIDATES, START_UP, TILT_DEG, VERSION


class Found(NamedTuple):
    """What a program found for one template."""

    picks: ParticleList
    """All candidates, with scores, of which an oracle may choose."""
    own: ParticleList
    """Those above the program's own threshold for one expected false positive."""
    rotations: int
    seconds: float


def run_ours(values: torch.Tensor, template: Template, angle: float) -> Found:
    """Our matching with one thread."""
    torch.set_num_threads(1)
    begun = time.process_time()
    settings = Matching(angle_deg=angle, tilt_least_deg=-TILT_DEG, tilt_most_deg=TILT_DEG)
    (one,) = match_tomogram(values, template.voxel, [template], settings)
    return Found(one.picks, one.accepted, one.rotations, time.process_time() - begun)


class Pytme:
    """The program of others."""

    def __init__(self, environments: Path) -> None:
        """Install it where it is missing.

        Raises:
            UnavailableError: That fails.
        """
        python = interpreter(environments / "pytme", "pytme", [[VERSION]])
        self.program = python.with_name("pytme")
        self.started = self._timed(*START_UP)

    def run(self, values: torch.Tensor, template: Template, angle: float, folder: Path) -> Found:
        """Its matching with one process and one thread, as its documentation recommends for a sphere as the mask."""
        size, voxel = len(template.values), template.voxel
        names = {name: folder / f"{name}.mrc" for name in ("tomogram", "template", "mask")}
        write_volume(names["tomogram"], -values.numpy(), voxel)  # as bright as its template
        write_volume(names["template"], template.values.numpy(), voxel)
        write_volume(names["mask"], spherical_mask(size, template.radius / voxel + MASK_MARGIN).numpy(), voxel)
        out, tilts = folder / "found.pickle", f"{TILT_DEG:g},{TILT_DEG:g}"
        arguments = (
            "match", "-m", names["tomogram"], "-i", names["template"], "-I", names["mask"], "-o", out, "-s", "FLCSphericalMask",
            "-a", f"{angle:g}", "-n", "1", "--tilt-angles", tilts, "--wedge-axes", "2,0", "--symmetry", template.symmetry,
        )  # fmt: skip
        seconds = self._timed(*arguments)
        listed = re.search(r"\[(\d+) rotations\]", self.said)
        rotations = int(listed[1]) if listed else 0
        all_picks = self._peaks(out, template, "--num-peaks", str(CANDIDATES))
        own = self._peaks(out, template, "--num-peaks", str(CANDIDATES), "--n-false-positives", "1")
        return Found(all_picks, own, rotations, seconds - self.started)

    def _peaks(self, found: Path, template: Template, *more: str) -> ParticleList:
        prefix = found.with_suffix("")
        star = prefix.with_suffix(".star")
        star.unlink(missing_ok=True)
        apart = f"{exclusion(template) / template.voxel:.1f}"
        call([self.program, "postprocess", "--input-file", found, "--output-prefix", prefix, "--min-distance", apart, *more])  # fmt: skip
        return star_picks(star, template) if star.is_file() else ParticleList.of(template.name, [], scores=[])

    def _timed(self, *arguments: str | Path) -> float:
        """Processor time of a run."""
        before = _children()
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, check=False)
        self.said = done.stdout + done.stderr
        if done.returncode:
            raise UnavailableError((done.stderr.strip().splitlines() or ["it failed"])[-1])
        return _children() - before


def star_picks(path: Path, template: Template) -> ParticleList:
    """Positions and scores of a STAR file of pytme: columns of the last table, positions in voxels."""
    names: list[str] = []
    rows: list[list[str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("loop_"):
            names, rows = [], []
        elif line.startswith("_"):
            names.append(line.split()[0])
        elif names and line.strip() and not line.startswith(("#", "data_")):
            rows.append(line.split())
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    xyz = np.array([columns[f"_rlnCoordinate{axis}"] for axis in "XYZ"], dtype=np.float64).T
    scores = np.array(columns["_pytmeScore"], dtype=np.float64)
    return ParticleList.of(template.name, xyz.reshape(-1, 3) * template.voxel, scores=scores)


def _children() -> float:
    used = os.times()
    return used.children_user + used.children_system
