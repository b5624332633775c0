"""The table of published simulations: figures of poses that are known, and how records become rows."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from holly_triton.harness import known_structures as known
from holly_triton.particles.data import open_dataset
from holly_triton.structures import read_structure

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
TURNS = Rotation.random(12, random_state=1)


def run_of(folder: Path, turns: Rotation, structure: known.Known) -> Path:
    """A run's table of poses."""
    rows = [f"{name},{x},{y},{z},0,0,0" for name, (x, y, z) in zip(structure.names, turns.as_rotvec(), strict=True)]
    (folder / "poses.csv").write_text("\n".join(["picture,rx,ry,rz,tx_nm,ty_nm,tz_nm", *rows]))
    return folder


def test_poses_are_right_up_to_the_symmetry_and_one_rotation(tmp_path: Path) -> None:
    truth = read_structure("tetrahedron").points
    names = tuple(f"p{number}" for number in range(12))
    structure = known.Known(Path("none"), (), truth, TURNS.as_matrix(), names)
    whole, third = (
        Rotation.from_rotvec([0.3, -1.0, 0.4]),
        Rotation.from_rotvec(truth[0] / np.linalg.norm(truth[0]) * 2 * np.pi / 3),
    )
    found = TURNS * third * whole.inv()
    wrong = Rotation.concatenate([found[:9], found[9:] * Rotation.from_rotvec([0.5, 0, 0])])
    for turns, right in ((found, 1.0), (wrong, 0.75)):
        figures = known.figures(structure, whole.apply(truth), run_of(tmp_path, turns, structure))
        assert figures["right"] == right and figures["rmsd"] < 1e-3 and figures["points"] == len(truth)


def test_records_become_rows_with_their_median(tmp_path: Path) -> None:
    for seed, error in enumerate((0.2, 0.9, 0.4)):
        place = tmp_path / f"pores-{seed}"
        place.mkdir()
        run = {"case": "pores", "seed": seed, "rmsd": error, "right": 1.0, "angle": 0.5, "points": 32, "seconds": 9.0}
        (place / "figures.json").write_text(json.dumps(run))
    rows = known.report(tmp_path)
    assert "| pores | 1 | 0.90 | 100.0% |" in rows and "| pores | median | 0.40 | 100.0% |" in rows


@pytest.mark.skipif(
    not (SHARED / "tetrahedra").is_dir(), reason="the published simulations are not beside this repository"
)
@pytest.mark.parametrize("case", known.CASES)
def test_published_localisations_lie_about_the_turned_structure(case: str) -> None:
    structure = known.CASES[case](SHARED)
    options = dict(zip(structure.options[::2], structure.options[1::2], strict=True))
    data = open_dataset(
        structure.data, unit="px", pixel_size_nm=float(options["--pixel-size"]), columns=options.get("--columns")
    )
    assert tuple(data.names) == structure.names
    xyz, offsets = data.emitters(torch.arange(len(data)))
    nearer = 0
    for number in range(10):
        places = xyz[offsets[number] : offsets[number + 1]].double().numpy()
        places -= np.median(places, axis=0)
        own, other = (
            np.median(cKDTree(structure.truth @ structure.turns[which].T).query(places)[0])
            for which in (number, number + 1)
        )
        nearer += own < other
    assert nearer >= 8  # two turns of a symmetric structure may be alike
