"""Object lists of DeepFinder in XML."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array
from holly_triton.geometry.euler import euler_from_rotation, rotation_from_euler

from .particle_list import ParticleList
from .raw import RawList, numbers_of

ANGLES = ("phi", "psi", "the")
NAME = "class_name"
"""An attribute of ours beside ``class_label``, which is a number."""


def read_xml(path: Path) -> RawList:
    """The objects of a list, positions in voxels; ``score``, else ``cluster_size``, is the score.

    Raises:
        HollyError: The file is no object list, or an object lacks x, y, z or has what is not a number there.
    """
    objects: list[dict[str, str]] = []
    with foreign(path, "an object list of DeepFinder"):
        for _, element in ElementTree.iterparse(path, events=("end",)):
            if element.tag == "object":
                objects.append(dict(element.attrib))
                element.clear()
            elif element.tag != "objlist":
                raise HollyError(f"{path}: holds <{element.tag}>; an object list of DeepFinder holds <object> only")
        numbers = {name: _numbers(path, objects, name) for name in ("x", "y", "z", *ANGLES, "score", "cluster_size")}
    absent = [name for name in "xyz" if np.isnan(numbers[name]).any()]
    if absent:
        raise HollyError(f"{path}: has objects without {', '.join(absent)}; each must have x, y and z")
    angles = np.stack([numbers[name] for name in ANGLES], axis=1)
    known = np.isfinite(angles).all(axis=1)
    rotations = np.full((len(objects), 3, 3), np.nan)
    rotations[known] = rotation_from_euler(angles[known], "deepfinder")
    score = numbers["cluster_size" if np.isnan(numbers["score"]).all() else "score"]
    return RawList(
        np.stack([numbers[name] for name in "xyz"], axis=1),
        "voxel",
        "object list of DeepFinder",
        labels=_words(objects, NAME, "class_label"),
        rotations=rotations if known.any() else None,
        scores=None if np.isnan(score).all() else score,
        tomograms=_words(objects, "tomo_name", "tomo_idx"),
    )


def _numbers(path: Path, objects: list[dict[str, str]], name: str) -> Array:
    try:
        return np.array([float(one.get(name, "nan")) for one in objects], dtype=np.float64)
    except ValueError as error:
        raise HollyError(f"{path}: an object has a {name} that is not a number ({error})") from error


def _words(objects: list[dict[str, str]], *names: str) -> Array | None:
    """The first of some attributes that each object has; None where none has any."""
    words = [next((one[name] for name in names if name in one), "") for one in objects]
    return np.array(words, dtype=np.str_) if any(words) else None


def write_xml(path: Path, particles: ParticleList, voxel_size: float) -> None:
    """Write positions in voxels; classes are numbered from 1 in the order of the alphabet unless they are numbers."""
    labels, _ = numbers_of(particles.labels)
    tomograms, _ = numbers_of(particles.tomograms)
    angles = None if particles.rotations is None else euler_from_rotation(particles.rotations, "deepfinder")
    lines = []
    for row, (x, y, z) in enumerate(particles.positions / voxel_size):
        attributes: dict[str, Any] = {}
        if particles.tomograms[row]:
            attributes |= {"tomo_idx": tomograms[row], "tomo_name": particles.tomograms[row]}
        attributes |= {"class_label": labels[row], NAME: particles.labels[row]}
        attributes |= {"x": f"{x:.4f}", "y": f"{y:.4f}", "z": f"{z:.4f}"}
        if angles is not None:
            attributes |= {name: f"{angle:.4f}" for name, angle in zip(ANGLES, angles[row], strict=True)}
        if not np.isnan(particles.scores[row]):
            attributes["score"] = f"{particles.scores[row]:.7g}"
        lines.append("  <object " + " ".join(f"{name}={quoteattr(str(value))}" for name, value in attributes.items()) + "/>\n")  # fmt: skip
    with path.open("w", encoding="utf-8") as file:
        file.write("<objlist>\n" + "".join(lines) + "</objlist>\n")
