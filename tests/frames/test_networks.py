"""The networks: their size, frames of any size, tiles, and what a pixel's outputs depend on."""

import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.frames.config.network import Network, Preset
from holly_triton.frames.localise.tiles import in_tiles
from holly_triton.frames.network import AnyNetwork, build
from holly_triton.frames.network.inputs import network_inputs, padded, rough_background

SMALL = {"own": 4, "decode-like": 4, "luenn-like": 2}
PRESETS: tuple[Preset, ...] = ("own", "decode-like", "luenn-like")


def small(preset: Preset, seed: int, frames: int = 1, cells: int = 2) -> AnyNetwork:
    torch.manual_seed(seed)
    network = build(Network(preset=preset, width=SMALL[preset], frames_at_once=frames, cells=cells))
    network.eval()
    return network


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        (Network(width=16), 147_690),
        (Network(width=24), 331_354),
        (Network(preset="decode-like", frames_at_once=3), 2_200_282),  # published: 2.2 million
        (Network(preset="luenn-like"), 14_210_114),  # 14.2 million
    ],
)
def test_networks_have_the_size_of_their_description(settings: Network, parameters: int) -> None:
    assert sum(weights.numel() for weights in build(settings).parameters()) == parameters


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (8, 24), (31, 33)])
def test_frames_of_any_size_have_an_output_for_each_pixel(preset: Preset, shape: tuple[int, int], seed: int) -> None:
    network = small(preset, seed, frames=3)
    photons = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(seed)) * 100
    output = in_tiles(network, network_inputs(photons, rough_background(photons[:, 1])))
    channels = 2 if preset == "luenn-like" else 10
    assert output.shape == (2, channels, network.cells * shape[0], network.cells * shape[1])
    assert output.isfinite().all()


@pytest.mark.parametrize("preset", PRESETS)
def test_tiles_give_what_the_whole_frame_gives(preset: Preset, seed: int) -> None:
    network = small(preset, seed).double()  # in which rounding hides nothing
    length = 3 * network.reach + 13
    inputs = torch.randn(1, 1, 3, 40, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with torch.inference_mode():
        whole = in_tiles(network, inputs)
        parts = in_tiles(network, inputs, most=2 * network.reach + 16)
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("preset", PRESETS)
def test_outputs_depend_on_nothing_beyond_the_reach(preset: Preset, seed: int) -> None:
    network = small(preset, seed)
    side = 2 * network.reach + 4 * network.stride
    inputs = torch.randn(1, 1, 3, 8, side, generator=torch.Generator().manual_seed(seed))
    changed = inputs.clone()
    changed[..., side // 2] += 100
    with torch.inference_mode():
        same = (in_tiles(network, inputs) == in_tiles(network, changed)).all(dim=(0, 1, 2)).view(side, -1).all(1)
    differing = (~same).nonzero()[:, 0]
    assert len(differing) > 8
    assert (differing - side // 2).abs().max() <= network.reach


def test_padding_reflects() -> None:
    row = torch.arange(5.0).expand(1, 1, 5)
    assert padded(row, 4)[0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert padded(torch.arange(2.0).expand(1, 2), 8)[0].tolist() == [0, 1, 0, 1, 0, 1, 0, 1]


def test_the_rough_background_is_that_of_the_dark_part_of_a_frame(seed: int) -> None:
    frames = torch.poisson(torch.full((3, 32, 32), 50.0), generator=torch.Generator().manual_seed(seed))
    frames[:, :16] += 400
    assert (rough_background(frames) - 50).abs().max() < 10
    assert rough_background(torch.zeros(1, 8, 8)).tolist() == [1]


def test_settings_that_no_network_has_are_refused() -> None:
    with pytest.raises(HollyError, match="1 or 3"):
        Network(frames_at_once=2)
    with pytest.raises(HollyError, match="2 or 4"):
        Network(cells=3)
