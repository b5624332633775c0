"""A peer: pytme (PyPI, GPL-2.0), run as a program of its own on the files of a tomogram, a template and a mask.

It gets what our template matching gets: the densities of the simulation, the range of tilts, the CTF, the symmetry about z, and
the same step of the rotations; its score is the locally normalised correlation under a spherical mask. As in the paper, a
position goes to the template of the highest score.
"""

import csv
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.io.volumes import write_volume
from holly_triton.tomography.match.match import compete, exclusion
from holly_triton.tomography.match.template import Template
from holly_triton.tomography.structures import Density

from .config import DEFOCUS_UM, PYTME_PEAKS, Condition, StudyScale
from .methods import Method, Picked, template_of
from .tomograms import Specimen


class Peer(NamedTuple):
    """The program, or why there is none."""

    program: str | None
    reason: str = ""


def find_pytme(given: Path | None) -> Peer:
    """The program that was given, or that on the search path."""
    found = shutil.which(str(given) if given is not None else "pytme")
    if found is not None:
        return Peer(found)
    where = "on the search path" if given is None else f"at {given}"
    return Peer(
        None, f"pytme was left out: there is no such program {where} (pip install pytme, in an environment of its own)."
    )


def pytme_method(peer: Peer, classes: Sequence[Density], scale: StudyScale) -> Method:
    """All templates by the peer, competing; its thresholds are those of one expected false positive for each template."""
    templates = [template_of(density, scale.voxel_size) for density in classes]

    def find(specimen: Specimen, condition: Condition) -> Picked:
        with tempfile.TemporaryDirectory(prefix="pytme-") as name:
            folder = Path(name)
            write_volume(folder / "tomogram.mrc", specimen.values, scale.voxel_size)
            lists, thresholds, reach = [], {}, []
            for template in templates:
                _match(peer, folder, template, condition, scale)
                picks = _picks(peer, folder, template, specimen.name)
                sure = _picks(peer, folder, template, specimen.name, "--n-false-positives", "1")
                thresholds[template.name] = float(sure.scores.min()) if len(sure) else float("inf")
                lists.append(picks)
                reach.append(np.full(len(picks), exclusion(template)))
        everything = joined(lists)
        kept = compete(everything.positions, everything.scores, np.concatenate(reach))
        return Picked(everything.take(kept), thresholds)

    return find


def _match(peer: Peer, folder: Path, template: Template, condition: Condition, scale: StudyScale) -> None:
    values = template.values.cpu().numpy()
    write_volume(folder / "template.mrc", values / values.max(), template.voxel)
    write_volume(folder / "mask.mrc", _sphere(len(values), template.radius / template.voxel + 1), template.voxel)
    _run(
        peer, folder, "match", "-m", "tomogram.mrc", "-i", "template.mrc", "-I", "mask.mrc", "-o", "out.pickle",
        "-s", "FLCSphericalMask", "-a", f"{scale.angle_deg:g}", "--symmetry", template.symmetry, "-n", "1",
        "--tilt-angles", f"{condition.tilt:g},{condition.tilt:g}", "--wedge-axes", "2,0", "--invert-target-contrast",
        "--defocus", f"{1e4 * DEFOCUS_UM:g}", "--ctf-correction", "raw",
    )  # fmt: skip


def _picks(peer: Peer, folder: Path, template: Template, tomogram: str, *options: str) -> ParticleList:
    distance = max(1, round(exclusion(template) / template.voxel))
    table = folder / "picks.tsv"
    table.unlink(missing_ok=True)
    _run(
        peer, folder, "postprocess", "--input-file", "out.pickle", "--output-prefix", "picks", "--output-format", "orientations",
        "--num-peaks", str(PYTME_PEAKS), "--min-distance", str(distance), *options,
    )  # fmt: skip
    if not table.is_file():  # it writes none where it finds none
        return ParticleList.of(template.name, np.empty((0, 3)), scores=[], tomogram=tomogram)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    positions = np.array([[float(row[axis]) for axis in "xyz"] for row in rows]).reshape(-1, 3) * template.voxel
    return ParticleList.of(template.name, positions, scores=[float(row["score"]) for row in rows], tomogram=tomogram)


def _run(peer: Peer, folder: Path, *words: str) -> None:
    assert peer.program is not None
    ran = subprocess.run([peer.program, *words], cwd=folder, capture_output=True, text=True)
    if ran.returncode:
        said = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
        raise HollyError(f"{peer.program} {words[0]}: failed ({said[-1] if said else 'it said nothing'})")


def _sphere(size: int, radius: float) -> Array:
    along = np.arange(size) - size // 2
    distance = np.sqrt(along[:, None, None] ** 2 + along[:, None] ** 2 + along**2)
    return np.asarray((distance <= radius).astype(np.float32))
