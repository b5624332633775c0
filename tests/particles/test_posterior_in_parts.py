"""Poses of particles of few labels whose pairs of a localisation and a point are more than fit into memory at once."""

import pytest
import torch

from holly_triton.particles.sparse.config import Sparse
from holly_triton.particles.sparse.posterior import Scales, draw_poses
from holly_triton.particles.spatial import mixture
from holly_triton.particles.spatial.mixture import Model, Padded


def test_poses_drawn_in_parts_are_those_drawn_at_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(seed)
    model = Model(torch.randn(9, 3, generator=generator) * 30, *map(torch.tensor, (16.0, 0.1, 2000.0)))
    data = Padded(torch.randn(5, 6, 2, generator=generator) * 30, torch.full((5, 6, 2), 25.0), torch.ones(5, 6))
    settings = Sparse(candidates=40, samples=8)

    def drawn() -> list[torch.Tensor]:
        return list(draw_poses(model, data, Scales(50.0, 120.0), settings, torch.Generator().manual_seed(seed)))

    whole = drawn()
    monkeypatch.setattr(mixture, "AT_ONCE_ON_CPU", 7 * 6 * 9)  # seven poses at a time
    for one, other in zip(drawn(), whole, strict=True):
        torch.testing.assert_close(one, other)
