"""The comparison of the presets: it trains, localises and reports, and does not repeat what is there."""

from pathlib import Path

import pytest

from holly_triton.frames.config.network import Network
from holly_triton.frames.config.training import Training, Validation
from holly_triton.harness import frames_presets


def test_a_network_is_trained_scored_and_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = Validation(times=1, frames=8, side_px=32, final_frames=20, sparse_frames=20)

    def training_of(network: Network, steps: int) -> Training:
        return Training(steps=steps, batch=2, device="cpu", network=network, validation=brief)

    monkeypatch.setattr(frames_presets, "NETWORKS", (Network("own", 4, 3),))
    monkeypatch.setattr(frames_presets, "COUNTS", (7.2,))
    monkeypatch.setattr(frames_presets, "PACE_STEPS", 2)
    monkeypatch.setattr(frames_presets, "training_of", training_of)
    arguments = [str(tmp_path / "work"), "--minutes", "0.001", "--emitters", "30", "--reports", str(tmp_path)]
    assert frames_presets.main(arguments) == 0
    report = (tmp_path / "presets.md").read_text()
    assert report.count("| own | 3 |") == 2  # independent frames, and emitters that last
    monkeypatch.setattr(frames_presets, "measured", lambda *_: pytest.fail("what is there was measured again"))
    assert frames_presets.main(arguments) == 0
    assert (tmp_path / "presets.md").read_text() == report
