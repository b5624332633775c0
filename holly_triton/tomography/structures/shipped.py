"""Structures that ship with the package: beads made from entries of the PDB, in the frames of their point groups."""

from functools import cache
from importlib.resources import files

import numpy as np
import torch

from holly_triton.geometry.groups import point_group

from .density import Density

FOLDER = files("holly_triton.tomography.structures") / "beads"


@cache
def shipped() -> tuple[str, ...]:
    """Names of the structures that ship, in order; ``beads/SOURCE.md`` says where they come from."""
    return tuple(sorted(item.name.removesuffix(".csv") for item in FOLDER.iterdir() if item.name.endswith(".csv")))


@cache
def read_shipped(name: str) -> Density:
    """The structure of a name of ``shipped()``: the beads of its asymmetric unit and all their copies."""
    lines = (FOLDER / f"{name}.csv").read_text(encoding="ascii").splitlines()
    stated = dict(line.removeprefix("# ").split(" ", 1) for line in lines if line.startswith("# ") and ":" not in line)
    rows = np.loadtxt([line for line in lines if line[0] in "-0123456789"], delimiter=",")
    operators = point_group(stated["symmetry"]).double()
    unit = torch.from_numpy(rows[:, :3])
    points = torch.einsum("gij,nj->gni", operators, unit).flatten(0, 1)
    weights = torch.from_numpy(rows[:, 3]).repeat(len(operators))
    return Density.of(name, points, weights, resolution=float(stated["resolution"]), symmetry=stated["symmetry"])
