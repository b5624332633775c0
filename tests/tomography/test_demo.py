"""The demonstration of the family, at a small size."""

from pathlib import Path

import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.io.particle_lists import ParticleList, joined, read_particles, write_particles
from holly_triton.tomography import demo
from holly_triton.tomography.config.averaging import FEWEST
from holly_triton.tomography.config.demo import DEMO, QUICK, Demo
from holly_triton.tomography.segment.model import SHIPPED, read_model
from holly_triton.tomography.simulate.command import generator_of
from holly_triton.tomography.simulate.packing import pack
from holly_triton.tomography.structures import read_density


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


@pytest.mark.parametrize("settings", [QUICK, DEMO])
def test_the_class_that_is_averaged_has_room_for_its_boxes(settings: Demo) -> None:
    """The particles as the demonstrations pack them, without drawing them."""
    model = read_model(SHIPPED)
    mass = {name: read_density(name).mass for name in model.classes}
    averaged = max(mass, key=mass.__getitem__)
    classes = [
        (read_density(name), settings.averaged if name == averaged else settings.particles) for name in model.classes
    ]
    generator = generator_of(settings.seed, 1, torch.device("cpu"))
    places = torch.Generator().manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
    shape = (settings.depth, settings.side, settings.side)
    packed = pack(classes, shape, model.voxel, 2 * model.voxel, places, membranes=1)
    own = np.rint(np.array(packed.position)[np.array(packed.label) == 1 + model.classes.index(averaged)] / model.voxel)
    reach = np.rint(demo.BOX_DIAMETERS * read_density(averaged).diameter / model.voxel / 2)
    whole = ((own >= reach) & (own <= np.array(shape[::-1]) - reach)).all(1).sum()
    assert whole >= FEWEST + 2, f"{whole} of {len(own)}"
