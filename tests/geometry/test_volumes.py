"""Grids of volumes: their centre, and the frequencies that a tilt series measures."""

import math

import pytest
import torch

from holly_triton.geometry.volumes import centre, splat_centred, wedge


@pytest.mark.parametrize("size", [12, 13])
def test_a_point_at_the_origin_is_drawn_at_the_centre_of_the_fft(size):
    picture = splat_centred(torch.zeros(1, 3), torch.eye(3)[None], torch.zeros(1, 2), 1.2, (size, size + 3))[0]
    row, column = divmod(int(picture.argmax()), size + 3)
    assert (row, column) == (centre(size), centre(size + 3))
    assert torch.allclose(picture[row, column - 1], picture[row, column + 1], rtol=1e-4)


def test_a_series_of_sixty_degrees_measures_two_thirds_of_a_disc():
    measured = torch.fft.fftshift(wedge((128, 4, 128), (-60, 60))[:, 0], dim=0)
    kz = (torch.arange(128)[:, None] - 64) / 128
    kx = torch.arange(65) / 128
    disc = (kz**2 + kx**2 < 0.25) & (kx > 0)
    assert measured[disc].mean() == pytest.approx(2 / 3, abs=0.01)


def test_the_wedge_holds_the_plane_of_each_tilt_and_its_sign():
    angle = math.radians(40)
    points = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    # The picture's x is the direction along which frequencies are measured.
    direction = turn[0]
    assert torch.allclose((points @ turn.T)[:, 0], points @ direction)
    measured = wedge((64, 4, 64), (35, 45))[:, 0]
    kz, kx = (round(float(direction[2]) * 20), round(float(direction[0]) * 20))
    assert measured[kz, kx] == 1 and measured[-kz, kx] == 0
