"""The contrast transfer function against numbers, and subtomograms by the whole-volume path."""

import math

import pytest
import torch

from holly_triton.geometry import random_rotations
from holly_triton.geometry.volumes import wedge
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.simulate.optics import camera, ctf, fading, wavelength
from holly_triton.tomography.simulate.whole import simulate_subtomograms
from holly_triton.tomography.structures import Density, draw_map, read_density

PLAIN = Optics(amplitude_contrast=0.0)


def zeros(optics: Optics, finest: float) -> list[float]:
    """Periods in Å at which the CTF changes sign, coarsest first."""
    k = torch.linspace(1e-4, 1 / finest, 200001, dtype=torch.float64)
    sign = ctf(k, optics).sign()
    return [1 / float(k[i]) for i in (sign[1:] != sign[:-1]).nonzero().flatten()]


def test_zeros_of_the_ctf() -> None:
    assert wavelength(300) == pytest.approx(0.019687, rel=1e-4)
    assert zeros(PLAIN, 18.0) == pytest.approx([31.4, 22.2, 18.1], abs=0.05)
    assert zeros(Optics(amplitude_contrast=0.0, defocus_um=6), 24.0) == pytest.approx([34.4, 24.3], abs=0.05)


def test_protein_is_dark_and_a_phase_plate_darkens_it_most() -> None:
    low = torch.tensor([0.0, 1 / 100])
    assert (ctf(low, Optics()) < 0).all()
    assert float(ctf(low, Optics())[0]) == pytest.approx(-0.07)
    assert torch.equal(ctf(low, Optics(contrast="bright")), -ctf(low, Optics()))
    assert float(ctf(low, Optics(amplitude_contrast=0.0, phase_shift_deg=90))[0]) == pytest.approx(-1.0)


def test_a_row_for_each_defocus() -> None:
    k = torch.linspace(0, 0.05, 7)
    both = ctf(k, PLAIN, torch.tensor([[5.0], [6.0]]))
    assert torch.allclose(both[1], ctf(k, Optics(amplitude_contrast=0.0, defocus_um=6.0)))


def test_camera_and_dose() -> None:
    assert float(camera(torch.tensor(1.0), Optics(mtf="sinc"))) == pytest.approx(2 / math.pi)
    # Points of the measured curve, over its value of 0.93 at low frequency.
    measured = torch.tensor([0.875, 0.658, 0.505]) / 0.93
    assert torch.allclose(camera(torch.tensor([0.296, 0.724, 0.946]), Optics(mtf="k2")), measured, atol=0.02)
    assert float(camera(torch.tensor(0.4), Optics(envelope=0.4))) == pytest.approx(math.exp(-1))
    k = torch.tensor([0.0, 0.05, 0.2])
    left = fading(k, 50.0, 300)
    assert float(left[0]) == pytest.approx(1.0, abs=1e-3) and left[1] > left[2]
    critical = 0.245 * 0.05**-1.665 + 2.81
    assert float(left[1]) == pytest.approx(math.exp(-25 / critical), rel=1e-5)


@pytest.fixture(scope="module")
def structure() -> Density:
    generator = torch.Generator().manual_seed(1)
    return Density.of("blob", 45 * torch.randn(150, 3, generator=generator))


@pytest.mark.parametrize("noise_after", [0.0, 0.5, 1.0])
def test_snr_is_what_was_asked_for(structure: Density, noise_after: float, seed: int) -> None:
    """Measured by pairs with the same signal, c / (1 - c), and against the clean box."""
    generator = torch.Generator().manual_seed(seed)
    rotation = random_rotations(1, generator).expand(40, 3, 3)
    args = {"size": 24, "voxel": 15.0, "noise_after": noise_after, "generator": generator}
    noisy = simulate_subtomograms(structure, rotation, snr=0.2, **args)
    clean = simulate_subtomograms(structure, rotation[:1], **args)
    noise = noisy - clean
    assert float(clean.var() / noise.var()) == pytest.approx(0.2, rel=0.05)
    correlation = torch.corrcoef(noisy.flatten(1))
    mean = float(correlation[~torch.eye(40, dtype=torch.bool)].mean())
    assert mean / (1 - mean) == pytest.approx(0.2, rel=0.15)


def test_noise_before_the_optics_carries_the_ctf_and_noise_after_does_not(structure: Density, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rotation = random_rotations(20, generator)
    k = (
        torch.fft.rfftfreq(32) ** 2 + torch.fft.fftfreq(32)[:, None] ** 2 + torch.fft.fftfreq(32)[:, None, None] ** 2
    ).sqrt() / 10.0
    first_zero = ((k > 1 / 32.0) & (k < 1 / 30.8)) & (wedge((32, 32, 32), (-55, 55)) > 0)
    peak = ((k > 1 / 46.0) & (k < 1 / 42.0)) & (wedge((32, 32, 32), (-55, 55)) > 0)
    ratio = []
    for after in (0.0, 1.0):
        noisy = simulate_subtomograms(
            structure, rotation, size=32, voxel=10.0, snr=1e-4, noise_after=after, optics=PLAIN, generator=generator
        )
        power = torch.fft.rfftn(noisy, dim=(1, 2, 3)).abs().square().mean(0)
        ratio.append(float(power[first_zero].mean() / power[peak].mean()))
    assert ratio[0] < 0.25 and ratio[1] == pytest.approx(1.0, abs=0.25)


def test_without_noise_a_subtomogram_is_dark_and_lies_inside_the_wedge(structure: Density, seed: int) -> None:
    rotation = random_rotations(2, torch.Generator().manual_seed(seed))
    boxes = simulate_subtomograms(structure, rotation, size=48, voxel=12.0)
    power = torch.fft.rfftn(boxes, dim=(1, 2, 3)).abs().square()
    outside = wedge((48, 48, 48), (-62, 62)) == 0
    outside[:4] = outside[-4:] = False  # cutting the box blurs the wedge's border by a voxel or two
    assert float(power[:, outside].sum() / power.sum()) < 0.02
    # A phase plate near focus passes everything but the plane at a right angle to x, with the sign reversed.
    plate = Optics(defocus_um=0.1, phase_shift_deg=90.0)
    boxes = simulate_subtomograms(structure, rotation, size=48, voxel=12.0, optics=plate, tilt=(-89.0, 89.0))
    drawn = draw_map(structure, 48, 12.0, 24.0, rotation=rotation)
    for one, two in zip(boxes, drawn, strict=True):
        assert torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1] < -0.95


@pytest.mark.parametrize("size", [40, 41])
def test_planted_where_the_shift_says(size: int) -> None:
    shift = torch.tensor([[22.0, -34.0, 12.0]])
    box = simulate_subtomograms(read_density("sphere"), torch.eye(3)[None], shift, size=size, voxel=10.0)[0]
    # A sphere keeps its symmetry, so correlation with the clean one peaks at its position.
    other = simulate_subtomograms(read_density("sphere"), torch.eye(3)[None], size=size, voxel=10.0)[0]
    product = torch.fft.irfftn(torch.fft.rfftn(box) * torch.fft.rfftn(other).conj(), s=box.shape)
    z, y, x = torch.unravel_index(product.argmax(), product.shape)
    found = [(int(v) + size // 2) % size - size // 2 for v in (x, y, z)]
    assert found == [2, -3, 1]


def test_the_same_seed_gives_the_same_subtomograms(structure: Density) -> None:
    rotation = random_rotations(3, torch.Generator().manual_seed(5))
    one, two = (
        simulate_subtomograms(
            structure, rotation, size=20, voxel=15.0, snr=0.1, generator=torch.Generator().manual_seed(9)
        )
        for _ in range(2)
    )
    assert torch.equal(one, two)
