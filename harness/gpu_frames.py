"""The family ``frames`` on a GPU: training and localisation, their rates and what bounds them, and a training of minutes."""

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.descent import Descent
from holly_triton.core.training import TrainingState
from holly_triton.core.types import Array
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.network import Device, Network
from holly_triton.frames.config.simulation import FrameSettings
from holly_triton.frames.config.training import BATCH, Training, Validation
from holly_triton.frames.localise import Model, localise_block, localise_frames, read_model, write_model
from holly_triton.frames.localise.localiser import Localiser
from holly_triton.frames.localise.shipped import SHIPPED
from holly_triton.frames.network.inputs import network_inputs, rough_background
from holly_triton.frames.network.outputs import Scales
from holly_triton.frames.paper.cells import SCORING, Bench, Cell
from holly_triton.frames.paper.config import MEDIUM, SNRS, StudyScale
from holly_triton.frames.psf import default_psf
from holly_triton.frames.samplers import RandomSampler
from holly_triton.frames.score.evaluate import evaluate
from holly_triton.frames.simulate import draw_batch
from holly_triton.frames.train import carry_out, start_run
from holly_triton.frames.train.stream import Stream
from holly_triton.frames.train.trainer import TRAINING, Trainer

from .gpu_timing import Figures, Journal, clock, device_ms, paced, seconds_of

WIDTHS = (48, 24)
"""Of the networks that are trained: that of the issue, and the default."""
SECONDS = 5.0
"""Of the timed steps of a training."""
WARM_UP, REPEATS = 10, 15
"""Steps before the timed ones, and steps whose parts are timed."""
UNTRAINED_STEPS = 10**6
"""Length of the training whose first steps are timed, so that its rate hardly changes in them."""
SIDE_PX = 64
DENSITIES = {"sparse": 0.03, "crowded": 0.54}
"""Random emitters per square micrometre of the frames that are localised: about 1.25 and 22 within a frame."""
FRAMES = {False: 4096, True: 512}
"""Frames localised at once, without and with the polish."""
BUSY_FRAMES = 128
"""Frames under the profiler."""
ACTIVATIONS = Path("carry") / "activations.csv"
"""Truth of the SMLM challenge, which does not ship; without it the test is on microtubules like those."""
TESTS = ((0.05, 400), (0.38, 150), (2.22, 150))
"""Densities and numbers of the frames on which a trained model is tested: those of reports/frames/trainings.md."""
EMPTY_FRAMES = 1000
"""Without emitters, at each background."""


def measure(path: Path, device: Device, quick: bool) -> list[str]:
    """Rates of training and localisation; returns the faults."""
    journal = Journal(path, device)
    psf, like = default_psf(), Training(steps=UNTRAINED_STEPS)
    stream = Stream.of(like, psf, camera_preset(like.camera), torch.device(device))
    for width in WIDTHS:
        journal.part(f"train-{width}", lambda width=width: training(width, stream, device, quick))  # type: ignore[misc]
    model = read_model(SHIPPED, torch.device(device))
    for polished in (False, True):
        for name, density in DENSITIES.items():
            count = 8 if quick else FRAMES[polished]
            journal.part(
                f"localise-{name}{'-polished' if polished else ''}",
                lambda density=density, count=count, polished=polished: localising(  # type: ignore[misc]
                    model, density, count, polished, device
                ),
            )
    return journal.faults


def training(width: int, stream: Stream, device: Device, quick: bool) -> Figures:
    """Steps and frames a second of a training, and the time of each part of a step."""
    settings = Training(steps=UNTRAINED_STEPS, device=device, network=Network(width=width))
    localiser = Localiser(settings.network, Scales.of(stream.psf.pixel_nm, stream.psf.z_range_nm))
    state = TrainingState(settings.table(), 2 if quick else BATCH[device])
    trainer = Trainer(settings, localiser, stream, state)
    rate = paced(trainer.run(), 0.0 if quick else SECONDS, 1 if quick else WARM_UP, device)
    batch = trainer.state.batch
    return {
        "width": width, "batch": batch, "crop_px": trainer.settings.crop_px, "sampling": trainer.settings.sampling,
        **rate, "frames_per_s": rate["steps_per_s"] * batch, "parts_ms": _parts(trainer, device, 1 if quick else REPEATS),
    }  # fmt: skip


def _parts(trainer: Trainer, device: Device, repeats: int) -> dict[str, float]:
    """Milliseconds of the parts of a step, medians; the device is waited for after each, so that they add up to more than a step."""
    localiser, settings, batch = trainer.localiser, trainer.settings, trainer.state.batch
    descent = Descent(localiser.network, settings.optimiser, {}, {})
    descent.begin(0, 0.0)
    times: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = clock(device)
        made = call()
        times.setdefault(name, []).append(1e3 * (clock(device) - began))
        return made

    def loss(example: Any) -> Tensor:
        weight = settings.loss.cross_entropy
        return localiser.loss(example.photons, example.emitters, example.background, settings.loss, weight).total

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):  # as in a training
        for i in range(repeats):
            number = UNTRAINED_STEPS + i
            example = timed("simulate", lambda number=number: trainer.stream.draw(TRAINING, number, batch, settings.crop_px))  # type: ignore[misc]  # fmt: skip
            photons = example.photons
            timed("network", lambda photons=photons: localiser.network(network_inputs(photons, rough_background(photons[:, 0]))))  # type: ignore[misc]  # fmt: skip
            total = timed("network and loss", lambda example=example: loss(example))  # type: ignore[misc]
            timed("backward", total.backward)
            again = loss(example)
            timed("backward and optimiser", lambda again=again, i=i: descent.descend(again, i + 1))  # type: ignore[misc]
    found = {name: statistics.median(each) for name, each in times.items()}
    return {
        "simulate": found["simulate"], "network": found["network"],
        "loss": found["network and loss"] - found["network"], "backward": found["backward"],
        "optimiser": found["backward and optimiser"] - found["backward"],
    }  # fmt: skip


def localising(model: Model, density: float, count: int, polished: bool, device: Device) -> Figures:
    """Frames a second of the model that ships, from what the camera stored to the table; files are not part of it."""
    adu, emitters = _movie(model, density, count, device)

    def run(frames: Array) -> int:
        return len(localise_block(model, 0, frames, polished=polished))

    few = adu[:BUSY_FRAMES]
    found = run(few)  # compiles
    took = seconds_of(lambda: run(adu), device)
    share = None
    if device == "cuda":
        busy = device_ms(lambda: min(1, run(few) + 1))
        share = None if busy is None else busy / (1e3 * seconds_of(lambda: run(few), device))
    return {
        "density_per_um2": density, "emitters_per_frame": emitters / count, "frames": count, "side_px": SIDE_PX,
        "width": model.localiser.settings.features, "seconds": took, "frames_per_s": count / took,
        "detections_per_frame": found / len(few), "device_busy_share": share, "busy_frames": len(few),
    }  # fmt: skip


def _movie(model: Model, density: float, count: int, device: Device) -> tuple[Array, int]:
    """What a camera stored ``[count, H, W]``, on the host, and the number of emitters within its frames."""
    photons, background = MEDIUM
    settings = FrameSettings(
        density_least=density, density_most=density, photons_least=photons, photons_most=photons,
        background_unit="photons", background_least=background, background_most=background,
    )  # fmt: skip
    generator = torch.Generator(device).manual_seed(0)
    psf, sampler = model.psf.to(torch.device(device)), RandomSampler(model.psf.z_range_nm)
    parts, emitters = [], 0
    for start in range(0, count, 256):
        shape = (SIDE_PX, SIDE_PX)
        batch = draw_batch(sampler, psf, model.camera, settings, min(256, count - start), shape, generator)
        parts.append(batch.adu.cpu().numpy())
        xy = batch.emitters.xyz[:, :2]
        emitters += int(((xy >= 0) & (xy < SIDE_PX * model.psf.pixel_nm)).all(1).sum())
    return np.concatenate(parts), emitters


def train(path: Path, device: Device, seconds: float, quick: bool) -> list[str]:
    """Train a network for so many seconds and test it; the model is left beside the record. Returns the faults."""
    journal = Journal(path, device)
    kept = path.with_suffix(".pt")
    journal.part("training", lambda: _trained(kept, device, seconds, quick))
    if kept.is_file():
        model = read_model(kept, torch.device(device))
        for density, frames in TESTS:
            journal.part(f"density-{density:g}", lambda density=density, frames=frames: _tested(model, density, 25 if quick else frames))  # type: ignore[misc]  # fmt: skip
        journal.part("empty", lambda: _empty(model, 25 if quick else EMPTY_FRAMES))
    return journal.faults


def _trained(kept: Path, device: Device, seconds: float, quick: bool) -> Figures:
    settings = Training(minutes=seconds / 60, device=device, network=Network(width=WIDTHS[0]))
    if quick:
        few = Validation(times=1, frames=8, side_px=16, final_frames=8, sparse_frames=8)
        settings = replace(settings, batch=2, network=Network(width=4), validation=few)
    with tempfile.TemporaryDirectory() as folder:  # its checkpoints are not kept
        run = start_run(Path(folder) / "net.pt", settings)
        model = carry_out(run, lambda step: None, lambda: False)
    write_model(kept, model)
    figures = model.figures
    return {
        "width": settings.network.features, "asked_s": seconds, **figures,
        "frames_per_s": figures["frames"] / figures["seconds"], "threshold": model.threshold,
    }  # fmt: skip


def _tested(model: Model, density: float, frames: int) -> Figures:
    scale = StudyScale(emitters=1, fewest_frames=frames, most_frames=frames)
    positions = ACTIVATIONS if ACTIVATIONS.is_file() else None
    made = Bench(scale, positions).draw(Cell("figure3", density, MEDIUM))
    found = localise_frames(model, made.photons.to(next(model.localiser.network.parameters()).device))
    figures = evaluate(found, made.truth, SCORING, flat=False).figures()
    names = ("jaccard", "rmse_lateral", "rmse_axial", "efficiency_3d")
    field = SCORING.width_nm
    inside = (
        (made.truth["x"] >= 0) & (made.truth["x"] < field) & (made.truth["y"] >= 0) & (made.truth["y"] < field)
    ).sum()
    return {
        "density_per_um2": density, "frames": frames, "emitters_per_frame": float(inside) / frames,
        "positions": str(positions) if positions else "walls of simulated microtubules", **{name: figures[name] for name in names},
    }  # fmt: skip


def _empty(model: Model, frames: int) -> Figures:
    """False localisations in frames without emitters, at the three backgrounds of the study."""
    bench, device = Bench(StudyScale(empty_frames=frames), None), next(model.localiser.network.parameters()).device
    false = 0
    for snr in SNRS:
        false += len(localise_frames(model, bench.draw(Cell("empty", 0.0, snr)).photons.to(device)))
    return {"frames": frames * len(SNRS), "false": false, "backgrounds": [snr.background for snr in SNRS]}
