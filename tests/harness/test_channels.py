"""The comparison of two channels together with each alone: its data, and its table."""

import json
from pathlib import Path

import numpy as np
import torch

from holly_triton.harness import channels
from holly_triton.particles.simulate import simulate


def test_each_channel_alone_has_its_own_localisations() -> None:
    sites, of = channels.structure()
    made = simulate(
        sites, 5, missing=0.5, precision=channels.PRECISION, dimensions=3, channels=of,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    both = made.localisations.channel_counts
    for place, name in enumerate(channels.NAMES):
        alone = channels.alone(made, name)
        assert torch.equal(alone.counts, both[:, place]) and alone.precision_z_nm == 8.0


def test_an_offset_is_found() -> None:
    sites, _ = channels.structure()
    assert np.allclose(channels.offset(sites - [1.5, -0.5, 2], sites), [1.5, -0.5, 2], atol=1e-6)


def test_the_table_has_medians_over_seeds(tmp_path: Path) -> None:
    for seed in range(3):
        rmsd = {"pore": 2.0 + seed, "plug": 3.0}
        for way in channels.WAYS:
            run = {"seed": seed, "way": way, "rmsd": rmsd, "offset": 0.5 * seed, "seconds": 10.0}
            (tmp_path / f"{way}-{seed}.json").write_text(json.dumps(run))
    text = channels.report(tmp_path)
    assert "| pore | 3 (2, 3, 4) | 3 (2, 3, 4) |" in text and "0.5 (0, 0.5, 1) nm" in text
