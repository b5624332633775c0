"""The demonstration of the family, at a small size."""

from pathlib import Path

import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.particle_lists import ParticleList, joined, read_particles, write_particles
from holly_triton.tomography import demo
from holly_triton.tomography.config.demo import Demo


def test_a_small_demo_picks_evaluates_averages_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "QUICK", Demo(side=64, depth=48, particles=1, averaged=4, step=10.0, angle=90.0))
    folder = tmp_path / "demo"

    def match_file(tomogram: Path, names: list[str], out: Path, *settings: object) -> int:
        """In place of a search of seconds, which has its own tests: the particles but for one, and a false pick."""
        truth = read_particles(folder / "simulated" / "truth.star").take(slice(1, None))
        write_particles(out, joined([truth, ParticleList.of(names[0], [[5000, 0, 0]], tomogram="tomogram_1")]))
        return 0

    monkeypatch.setattr(demo, "match_file", match_file)
    assert demo.run_demo(folder, quick=True, overwrite=False) == 0
    page = (folder / "demo.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") >= 2 and "template matching" in page
    for name in ("network.star", "matching.star", "picks.png", "confusion.png", "simulated/truth.star"):
        assert (folder / name).is_file()
    said = capsys.readouterr().out
    assert "demo.html" in said and "particles were picked" in said
    with pytest.raises(HollyError, match="--overwrite"):
        demo.run_demo(folder, quick=True, overwrite=False)
