"""The published network: layers, parameters, start."""

import math

import pytest
import torch
from torch import nn

from holly_triton.particles.poses.encoder import Encoder


def encoder(size: int = 128, seed: int = 0) -> Encoder:
    return Encoder(size, 6, torch.Generator().manual_seed(seed))


def of_kind(network: nn.Module, kind: type) -> list:
    return [layer for layer in network.modules() if isinstance(layer, kind)]


def test_layers_are_the_published_ones():
    convolutions = of_kind(encoder(), nn.Conv2d)
    assert [layer.out_channels for layer in convolutions] == [16, 32, 32, 64, 64, 128, 128, 256, 256, 256]
    assert [layer.kernel_size for layer in convolutions] == [(5, 5)] + 9 * [(3, 3)]
    assert [layer.stride[0] for layer in convolutions] == [2, 2, 1, 2, 1, 2, 1, 2, 1, 2]
    assert len(of_kind(encoder(), nn.BatchNorm2d)) == 10
    assert [(layer.in_features, layer.out_features) for layer in of_kind(encoder(), nn.Linear)] == [
        (1024, 512),
        (512, 6),
    ]


def test_the_number_of_parameters_follows_from_the_layers():
    channels = [1, 16, 32, 32, 64, 64, 128, 128, 256, 256, 256]
    convolutions = sum(
        (25 if before == 1 else 9) * before * after + after + 2 * after  # weights, biases, batch norm
        for before, after in zip(channels, channels[1:], strict=False)
    )
    fully_connected = 2 * 2 * 256 * 512 + 512 + 512 * 6 + 6
    assert sum(parameter.numel() for parameter in encoder().parameters()) == convolutions + fully_connected


@pytest.mark.parametrize("size", [128, 64, 100, 31])
def test_pictures_of_any_size_become_six_numbers(size):
    images = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    assert encoder(size)(images).shape == (3, 6)


def test_weights_are_xavier_uniform_and_biases_zero():
    for layer in [*of_kind(encoder(), nn.Conv2d), *of_kind(encoder(), nn.Linear)]:
        inward, outward = layer.weight[0].numel(), layer.weight[:, 0].numel()
        bound = math.sqrt(6 / (inward + outward))
        assert layer.weight.abs().max() <= bound
        # A uniform distribution has a standard deviation of bound / sqrt(3); 400 draws at least tell it to 10 %.
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert not layer.bias.any()


def test_the_seed_decides_the_weights():
    one, same, other = (encoder(seed=seed).layers[0].weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
