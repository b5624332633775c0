"""The tables of deformations and of several structures: what is simulated, and how records become rows."""

import json
from pathlib import Path

import numpy as np
import torch

from holly_triton.harness import deformation, structures


def test_pores_differ_in_height_alone() -> None:
    made = deformation.pores(8.0, 0)
    assert made.amplitude is not None
    # Half of the change of the distance is the displacement of each site.
    assert abs(float(made.amplitude.std()) - 4) < 0.4
    assert deformation.pores(0.0, 0).amplitude is None


def test_two_heights_have_their_shares() -> None:
    made = structures.pores(0)
    assert made.structure is not None
    assert torch.bincount(made.structure).tolist() == [300, 200]
    assert [float(np.ptp(points[:, 2])) for points in made.structures] == [60.0, 40.0]


def test_records_become_rows(tmp_path: Path) -> None:
    run = {"name": "8", "height": 8.0, "simulated": True, "particles": 450, "localisations": 100.0, "gain": 0.3, "standard_error": 0.1,
           "held_out": 50, "preferred": True, "seconds": 20.0, "true_sd_nm": 4.0, "correlation": 0.99, "correlation_held_out": 0.98,
           "rms_nm": 0.5}  # fmt: skip
    for seed, spread in enumerate((3.0, 4.0, 8.0)):
        (tmp_path / f"8-{seed}.json").write_text(json.dumps({**run, "seed": seed, "sd_nm": spread}))
    real = {"simulated": False, "name": "pores", "seed": 0, "sd_nm": 2.0, "preferred": False}
    (tmp_path / "pores-0.json").write_text(json.dumps({**run, **real}))
    found = deformation.report(tmp_path)
    assert "| 8 | 100 (100, 100, 100) | 4 (3, 4, 8) |" in found and "3 of 3" in found
    assert "| pores | 100 | 2 |" in found and "0 of 1" in found


def test_classifications_become_rows(tmp_path: Path) -> None:
    run = {
        "structures": 2,
        "symmetry": "none",
        "shares": [0.6, 0.4],
        "gain": 0.2,
        "standard_error": 0.02,
        "preferred": True,
        "seconds": 9.0,
    }
    for seed, right in enumerate((0.9, 1.0)):
        (tmp_path / f"2-C1-{seed}.json").write_text(json.dumps({**run, "seed": seed, "right": right}))
    found = structures.report(tmp_path)
    assert "| 2 | none | 1 | 0.60, 0.40 | 100.0% | 0.200 | 0.020 | yes | 9 |" in found and "median: 95.0%" in found
