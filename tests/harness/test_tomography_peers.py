"""The comparison of template matching with another program, without that program."""

import numpy as np
import torch

from holly_triton.harness.frames_peers.environments import UnavailableError
from holly_triton.harness.tomography_peers import __main__ as command
from holly_triton.harness.tomography_peers.programs import star_picks
from holly_triton.harness.tomography_peers.records import read_rows
from holly_triton.tomography.match.template import Template

STAR = """# version 40001
data_optics
loop_
_rlnOpticsGroup
_rlnImagePixelSize
1 20.0
data_particles
loop_
_rlnCoordinateX
_rlnCoordinateY
_rlnCoordinateZ
_rlnAngleRot
_pytmeScore
30.0\t40.0\t10.0\t-31.7\t0.21
31.5\t41.0\t12.0\t1.0\t0.19
"""


def test_positions_of_pytme_are_voxels(tmp_path):
    path = tmp_path / "found.star"
    path.write_text(STAR)
    picks = star_picks(path, Template.of("disc", torch.rand(5, 5, 5), 20.0))
    assert np.allclose(picks.positions, [[600, 800, 200], [630, 820, 240]])
    assert picks.scores.tolist() == [0.21, 0.19] and picks.labels.tolist() == ["disc", "disc"]


def test_a_program_that_is_not_there_is_left_out_with_the_reason(tmp_path, monkeypatch):
    def absent(folder):
        raise UnavailableError("no gcc here")

    monkeypatch.setattr(command, "Pytme", absent)
    monkeypatch.setattr(command, "SHAPE", (32, 40, 40))
    monkeypatch.setattr(command, "PARTICLES", 2)
    arguments = ["disc", "--angle", "40", "--seeds", "3", "--snr", "2", "--reports", str(tmp_path)]
    assert command.main(arguments) == 0
    (row,) = read_rows(tmp_path / "match_peers.csv")
    assert (row.program, row.structure, row.particles, row.f1_oracle) == ("holly-triton", "disc", 2, 1.0)
    assert row.distance_a < 10 and row.seconds > 0
    report = (tmp_path / "match_peers.md").read_text()
    assert "no gcc here" in report and "| 2.0 | disc | holly-triton |" in report
