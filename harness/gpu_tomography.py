"""The family ``tomography`` on a GPU, in memory: inference, matching, training, peaks and alignment.

Everything is measured on one simulated tomogram; larger ones are made of its copies side by side.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.training import TrainingState
from holly_triton.core.types import Array
from holly_triton.geometry.groups import point_group
from holly_triton.geometry.rotations import random_rotations
from holly_triton.geometry.sampling import rotation_grid
from holly_triton.tomography.average.alignment import as_reference, noise_power, refined, search
from holly_triton.tomography.average.imaging import Imaging
from holly_triton.tomography.average.particles import Particles, Poses, normalised
from holly_triton.tomography.average.refinement import TOGETHER
from holly_triton.tomography.config.averaging import MASK_RADIUS, REACH_OF_BOX, START_ANGSTROM
from holly_triton.tomography.config.matching import Matching
from holly_triton.tomography.config.network import Device, Network, Preset
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import RESOLUTION_VOXELS, TomogramSettings
from holly_triton.tomography.config.training import BATCH, Patching, Training
from holly_triton.tomography.match import from_density, match_tomogram
from holly_triton.tomography.match.template import spherical_mask
from holly_triton.tomography.peaks import peaks
from holly_triton.tomography.score.angles import angles_between
from holly_triton.tomography.segment.model import SHIPPED, Model, read_model
from holly_triton.tomography.segment.network import AnyNetwork, build
from holly_triton.tomography.segment.normalise import Normalisation
from holly_triton.tomography.segment.picking import pick, smoothed
from holly_triton.tomography.segment.tiles import scores
from holly_triton.tomography.simulate.tomogram import Tomogram, simulate_tomogram
from holly_triton.tomography.simulate.whole import simulate_subtomograms
from holly_triton.tomography.structures import draw_map, read_density
from holly_triton.tomography.train.scenes import Scene
from holly_triton.tomography.train.sources import Fixed, Kinds
from holly_triton.tomography.train.targets import Targets
from holly_triton.tomography.train.trainer import Trainer

from .gpu_timing import Figures, Journal, clock, paced, seconds_of

SHAPE = (100, 200, 200)
"""(Z, Y, X) of the simulated tomogram,"""
LARGE = (200, 512, 512)
"""of that which is picked and searched,"""
LABELLED = (128, 512, 512)
"""and of the label volume."""
LABELLED_SHARE = 0.25
"""Least share of a class's voxels about one of its peaks."""
TILT, SNR = 60.0, 0.1
TEMPLATE = "ribosome"
ROTATIONS = 7112
"""Of a search, as PyTom's list of 12.85 degrees has."""
ALIGNED, ALIGNED_ROTATIONS, BOX = 100, 1992, 40
"""Particles that are aligned, rotations that each is compared with, and the side of their boxes, voxels."""
STEPS = (2.0, 1.0)
"""Degrees of the lattices of the refinement."""
SECONDS, WARM_UP = 5.0, 5
"""Of the timed steps of a training, and steps before them."""
UNTRAINED_STEPS = 10**6
QUICK = TomogramSettings(particles=1, membranes=1, size_x=48, size_y=48, size_z=40, voxel_size=16.0, step=20.0)


def measure(path: Path, device: Device, quick: bool) -> list[str]:
    """All parts, the most valuable first; returns the faults."""
    journal, place = Journal(path, device), torch.device(device)
    model = read_model(SHIPPED, place)
    settings = QUICK if quick else TomogramSettings(size_z=SHAPE[0], size_y=SHAPE[1], size_x=SHAPE[2], voxel_size=model.voxel, snr=SNR, tilt=TILT)  # fmt: skip
    made: list[Tomogram] = []
    journal.part("simulation", lambda: _simulated(made, settings, device))
    if not made:
        return journal.faults
    tomogram = made[0]
    large, labelled = (settings.shape, settings.shape) if quick else (LARGE, LABELLED)
    rotations = 24 if quick else ROTATIONS
    volume = tomogram.volume.cpu().numpy()
    journal.part("inference", lambda: inference(model, tiled(volume, large), device))
    journal.part("match", lambda: matching(volume, model.voxel, rotations, device, quick))
    for preset in ("own", "deepfinder"):
        journal.part(f"train-{preset}", lambda preset=preset: training(preset, model, tomogram, device, quick))  # type: ignore[misc]
    journal.part("label-peaks", lambda: label_peaks(model, tomogram, labelled, device))
    journal.part("align", lambda: aligning(model.voxel, device, quick))
    journal.part("inference-deepfinder", lambda: published_inference(model, tiled(volume, large), device))
    if not quick:  # else the same again
        journal.part("match-large", lambda: matching(tiled(volume, large), model.voxel, rotations, device, quick))
    return journal.faults


def tiled(volume: Array, shape: tuple[int, ...]) -> Array:
    """Copies of a volume side by side, cut to a shape."""
    copies = [math.ceil(wanted / side) for wanted, side in zip(shape, volume.shape, strict=True)]
    whole: Array = np.tile(volume, copies)[tuple(slice(side) for side in shape)]
    return np.ascontiguousarray(whole)


def _simulated(made: list[Tomogram], settings: TomogramSettings, device: Device) -> Figures:
    generator = torch.Generator(device).manual_seed(0)
    seconds = seconds_of(lambda: made.append(simulate_tomogram(settings, generator)), device)
    tilts = round(2 * settings.tilt / settings.step) + 1
    return {"shape": settings.shape, "voxel": settings.voxel_size, "particles": len(made[0].truth), "tilts": tilts, "snr": made[0].snr, "seconds": seconds}  # fmt: skip


def inference(model: Model, values: Array, device: Device) -> Figures:
    """The network that ships on a whole tomogram, from the host's memory to the scores of all classes, and to the picks."""
    normalisation = Normalisation.of(values, model.contrast, "tomogram")
    found: Figures = {"shape": values.shape, "width": model.settings.features}
    _scored(model.network, values[: values.shape[0] // 2], normalisation, False)  # compiles
    for averaged in (False, True):
        name = "averaged" if averaged else "plain"
        found[f"scores_{name}_s"] = seconds_of(lambda averaged=averaged: _scored(model.network, values, normalisation, averaged), device)  # type: ignore[misc]  # fmt: skip
        began = clock(device)
        found["picks"] = len(pick(model, values, normalisation, averaged=averaged))
        found[f"picks_{name}_s"] = clock(device) - began
    return found


def published_inference(model: Model, values: Array, device: Device) -> Figures:
    """The network of DeepFinder, untrained, on a whole tomogram."""
    network = build(Network(preset="deepfinder"), 1 + len(model.classes)).to(device).eval()
    normalisation = Normalisation.of(values, model.contrast, "tomogram")
    _scored(network, values[: values.shape[0] // 2], normalisation, False)
    seconds = seconds_of(lambda: _scored(network, values, normalisation, False), device)
    return {"shape": values.shape, "width": Network(preset="deepfinder").features, "scores_plain_s": seconds}


def _scored(network: AnyNetwork, values: Array, normalisation: Normalisation, averaged: bool) -> int:
    return sum(1 for _ in scores(network, values, normalisation, averaged=averaged))


def matching(values: Array, voxel: float, rotations: int, device: Device, quick: bool) -> Figures:
    """One template at as many rotations as without any symmetry, with its CTF; the refinement of the peaks is a part of it."""
    angle = math.degrees((8 * math.pi**2 / rotations) ** (1 / 3)) + 1e-9
    template = from_density(read_density(TEMPLATE), voxel, "C1")
    volume = torch.from_numpy(values).to(device)
    if not quick:  # compiles
        small = volume[:64, :64, :64].contiguous()
        match_tomogram(small, voxel, [template], Matching(angle_deg=60.0, ctf=True, rounds=1), optics=Optics())
    marks: list[tuple[str, float]] = []

    def begin(part: str) -> None:
        marks.append((part, clock(device)))
        print(f"{marks[-1][1] - marks[0][1]:.2f} s: {part}", flush=True)  # which the log keeps if the step is cut short

    settings = Matching(angle_deg=angle, tilt_least_deg=-TILT, tilt_most_deg=TILT, ctf=True, rounds=0 if quick else 2)
    found = match_tomogram(volume, voxel, [template], settings, optics=Optics(), begin=begin)[0]
    begin("done")
    parts = {name.partition(": ")[2].split()[0]: after - at for (name, at), (_, after) in zip(marks, marks[1:], strict=False)}  # fmt: skip
    return {
        "shape": values.shape, "template": TEMPLATE, "rotations": found.rotations, "angle_deg": found.angle_deg,
        "search_voxel": found.search_voxel, "functions": found.functions, "picks": len(found.accepted), "parts_s": parts,
        "seconds": marks[-1][1] - marks[0][1],
    }  # fmt: skip


def training(preset: Preset, model: Model, tomogram: Tomogram, device: Device, quick: bool) -> Figures:
    """Steps and patches a second of a training on the simulated tomogram, and how long patches take to draw."""
    kinds = Kinds(model.classes, model.radii, model.voxel)
    scene = Scene.of(
        "tomogram", tomogram.volume.cpu().numpy(), kinds.voxel, tomogram.truth, kinds.classes, model.contrast
    )
    settings = Training(steps=UNTRAINED_STEPS, device=device, network=Network(preset=preset, width=4 if quick else None), batch=1 if quick else None, patches=Patching(side=16 if quick else None))  # fmt: skip
    network = build(settings.network, 1 + len(kinds.classes))
    targets = Targets(settings.targets, torch.tensor([0.0, *(radius / kinds.voxel for radius in kinds.radii)]))
    state = TrainingState(settings.table(), settings.batch or BATCH[device])
    trainer = Trainer(settings, network, Fixed(kinds, [scene], [scene]), targets, torch.device(device), state)
    drawing = min(seconds_of(lambda: trainer.batch(0), device) for _ in range(1 if quick else 3))
    steps = trainer.run()
    rate = paced(steps, 0.0 if quick else SECONDS, 1 if quick else WARM_UP, device)
    steps.close()  # type: ignore[attr-defined]
    return {
        "preset": preset, "width": settings.network.features, "side": trainer.side, "batch": state.batch, **rate,
        "patches_per_s": rate["steps_per_s"] * state.batch, "drawing_ms": 1e3 * drawing,
    }  # fmt: skip


def label_peaks(model: Model, tomogram: Tomogram, shape: tuple[int, ...], device: Device) -> Figures:
    """The particles of a label volume: of each class, the peaks of its voxels, smoothed to half of its radius."""
    labels = tiled(tomogram.labels.cpu().numpy(), shape)
    volume = torch.from_numpy(labels).to(device)
    radii = {1 + tomogram.classes.index(name): radius / model.voxel for name, radius in zip(model.classes, model.radii, strict=True)}  # fmt: skip

    def found() -> int:
        maps = ((smoothed((volume == label).float(), radius / 2), radius) for label, radius in radii.items())
        return sum(len(peaks(one, radius, LABELLED_SHARE, sub_voxel="mass").values) for one, radius in maps)

    count = found()
    particles = len(tomogram.truth) * volume.numel() / tomogram.volume.numel()
    return {
        "shape": shape, "voxels": int(np.isin(labels, list(radii)).sum()), "particles": particles, "peaks": count,
        "seconds": seconds_of(found, device),
    }  # fmt: skip


def aligning(voxel: float, device: Device, quick: bool) -> Figures:
    """Particles compared with a reference at all rotations, each with all shifts by FFT, and the best pose refined."""
    count, many, box = (2, 12, 24) if quick else (ALIGNED, ALIGNED_ROTATIONS, BOX)
    place, generator = torch.device(device), torch.Generator(device).manual_seed(0)
    density = read_density(TEMPLATE)
    truth = random_rotations(count, torch.Generator().manual_seed(0)).to(place)
    boxes = simulate_subtomograms(density, truth, size=box, voxel=voxel, snr=SNR, generator=generator)
    particles = Particles(normalised(boxes), Imaging(voxel, optics=Optics()))
    mask = spherical_mask(box, MASK_RADIUS * box, place)
    drawn = draw_map(density, box, voxel, RESOLUTION_VOXELS * voxel, rotation=torch.eye(3, device=place))
    reference = as_reference(drawn, mask, voxel / START_ANGSTROM)
    noise, reach = noise_power(particles), REACH_OF_BOX * box
    angle = math.degrees((8 * math.pi**2 / many) ** (1 / 3)) + 1e-9
    rotations = rotation_grid(angle).to(place)
    lots = [particles.take(rows) for rows in torch.split(torch.arange(count, device=place), TOGETHER)]
    search(lots[0], reference, rotations[:4], reach, noise)  # compiles
    searched, search_s = _timed(lambda: [search(lot, reference, rotations, reach, noise)[0] for lot in lots], device)
    refined(lots[0].take(torch.arange(1, device=place)), reference, searched[0].take(torch.arange(1, device=place)), list(STEPS), noise, reach)  # fmt: skip
    better, refine_s = _timed(
        lambda: [
            refined(lot, reference, one, list(STEPS), noise, reach) for lot, one in zip(lots, searched, strict=True)
        ],
        device,
    )
    return {
        "particles": count, "box": box, "rotations": len(rotations), "angle_deg": angle, "snr": SNR,
        "search_s": search_s, "refine_s": refine_s, "steps_deg": STEPS,
        "median_error_deg": {"search": _error(searched, truth, density.symmetry), "refined": _error(better, truth, density.symmetry)},
    }  # fmt: skip


def _timed(call: Callable[[], Any], device: Device) -> tuple[Any, float]:
    began = clock(device)
    made = call()
    return made, clock(device) - began


def _error(poses: list[Poses], truth: Tensor, symmetry: str) -> float:
    found = torch.cat([one.rotation for one in poses]).cpu().double().numpy()
    return float(np.median(angles_between(found, truth.cpu().double().numpy(), point_group(symmetry).double().numpy())))
