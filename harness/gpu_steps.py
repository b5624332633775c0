"""The steps of a GPU session, each in its own process, which ``gpu_session`` starts."""

import argparse
import dataclasses
import functools
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from holly_triton.core.errors import HollyError

BUNNY = "HOLLY_TRITON_BUNNY"
"""Path of the paper's Stanford bunny, bunny_large.obj, which does not ship."""
CARRIED = Path("carry") / "bunny_large.obj"
GAUSSIANS = ("splat", "reconstruction_loss", "splat_emitters")
"""Operations whose cost depends on the width of the Gaussians."""


def environment(options: argparse.Namespace) -> None:
    """Versions, processors and the output of nvidia-smi, as JSON."""
    import torch

    from holly_triton.core.origin import commit

    from .records import device_name

    found: dict[str, Any] = {
        "commit": commit(),
        "python": sys.version,
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "device": device_name(options.device),
        "cuda": torch.version.cuda,
        "packages": {one.metadata["Name"]: one.version for one in distributions()},
        "nvidia_smi": _output("nvidia-smi", "-q", "-d", "CLOCK,MEMORY,POWER,PERFORMANCE"),
    }
    if options.device == "cuda":
        free, total = torch.cuda.mem_get_info()
        capability = torch.cuda.get_device_capability()
        found |= {"free_bytes": free, "total_bytes": total, "capability": capability}
        found["multiprocessors"] = torch.cuda.get_device_properties(0).multi_processor_count
    _write(options.raw / "environment.json", found)
    print(json.dumps({name: found[name] for name in ("commit", "device", "cuda", "cores")}, indent=1))


def warm_up(options: argparse.Namespace) -> None:
    """Compile every variant for this device, several at a time, into the cache that the later steps read."""
    import torch

    from holly_triton.kernels import ahead_of_time
    from holly_triton.kernels.blocks import ARCHITECTURES

    major, minor = torch.cuda.get_device_capability() if options.device == "cuda" else (9, 0)
    known = [row for row in ARCHITECTURES if row <= 10 * major + minor]
    row, began = max(known, default=min(ARCHITECTURES)), time.monotonic()
    count = len(ahead_of_time.variants(row))
    with ProcessPoolExecutor(min(16, os.cpu_count() or 1), mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(functools.partial(_compile, row, 10 * major + minor), range(count)))
    print(f"{count} variants of row {row} compiled for {10 * major + minor} in {time.monotonic() - began:.1f} s")


def _compile(row: int, architecture: int, number: int) -> None:
    from holly_triton.kernels import ahead_of_time

    variant = ahead_of_time.variants(row)[number]
    ahead_of_time.compile_variant(variant._replace(architecture=architecture))


def bench(options: argparse.Namespace) -> int:
    """Validate and time every case, and add its records, floors too, to the raw table of the device."""
    from rich.console import Console

    from .cases import OPS, timed_cases
    from .command import complain, measure, resolve_backends, resolve_device
    from .floor import unknown
    from .report import append, raw_name
    from .table import terminal

    device = resolve_device(options.device)
    precision = "tf32x3" if device == "cuda" else "ieee"
    images, size = (2, 16) if options.quick else (32, 128)
    cases = timed_cases(options.points, images, size, options.sigma, precision, GAUSSIANS if options.gaussians else OPS)
    faults, console = [], Console(width=120)
    print(unknown(device) or "")
    for measured in measure(sorted(cases, key=lambda case: case.points), resolve_backends([], device), device):
        append(options.raw / f"{raw_name(device)}.csv", measured.records)  # at once: the step may be cut short
        faults += measured.faults
        console.print(*terminal(measured.records))
    return complain(faults)


def tune(options: argparse.Namespace) -> None:
    """Time candidates of block sizes for large pictures in tf32x3; the best row is the last line of the log."""
    import torch

    from holly_triton.kernels.blocks import ARCHITECTURES

    from .command import resolve_device
    from .tune import tune_row

    if resolve_device(options.device) != "cuda":
        raise HollyError("tune: block sizes are those of a GPU, and this is a CPU")
    major, minor = torch.cuda.get_device_capability()
    known = [row for row in ARCHITECTURES if row <= 10 * major + minor]
    tune_row((max(known, default=min(ARCHITECTURES)), "tf32x3", "large"), 32, 128, 1.41, "cuda")


def frames(options: argparse.Namespace) -> int:
    """Rates of training and localisation of camera frames, and what bounds them."""
    from .command import complain
    from .gpu_frames import measure

    return complain(measure(options.raw / "frames.json", options.device, options.quick))


def frames_train(options: argparse.Namespace) -> int:
    """Train a localiser for some seconds, and test it at three densities."""
    from .command import complain
    from .gpu_frames import train

    return complain(train(options.raw / "frames-train.json", options.device, options.seconds, options.quick))


def tomography(options: argparse.Namespace) -> int:
    """Times of inference, matching, training, peaks and alignment of tomograms."""
    from .command import complain
    from .gpu_tomography import measure

    return complain(measure(options.raw / "tomography.json", options.device, options.quick))


def train(options: argparse.Namespace) -> None:
    """Reconstruct simulated pictures: seconds a step and the device's share of them, by stage, and the RMSD."""
    import torch

    from holly_triton.particles.config import DEMO, Config
    from holly_triton.particles.run.trainers import make_trainer
    from holly_triton.particles.simulate import simulate
    from holly_triton.validation.alignment import align

    from .gpu_timing import BUSY

    structure, truth = _structure(options.what)
    images = 20 if options.quick else DEMO.images
    generator = torch.Generator().manual_seed(DEMO.seed)
    scatter_nm, missing = (DEMO.scatter_nm, DEMO.missing) if options.what == "demo" else (0.0, 0.0)
    simulated = simulate(truth, images, scatter_nm=scatter_nm, missing=missing, generator=generator)
    dataset = simulated.localisations
    config = Config(points=DEMO.points, seed=DEMO.seed, device=options.device)
    if options.quick:
        brief = dataclasses.replace(config.schedule, search_steps=12, rescue_passes=0, polish_steps=11, refine_steps=0)
        config = dataclasses.replace(config, points=20, schedule=brief)
    began = time.monotonic()
    trainer = make_trainer(config, dataset)
    stages = step_times(trainer.run(), options.device)
    seconds = time.monotonic() - began
    points = trainer.state.points.detach().cpu().double().numpy()
    record = {
        "structure": structure, "images": images, "points": config.points, "device": options.device,
        "seconds": seconds, "steps": trainer.state.step, "seconds_first_step": stages.pop("first"),
        "stages": stages, "busy_definition": BUSY, "loss": float(trainer.state.loss.mean()),
        "rmsd_nm": None,
    }  # fmt: skip
    _write(options.raw / f"train-{options.what}.json", record)  # before what may fail
    record["rmsd_nm"] = align(points, truth).rmsd
    _write(options.raw / f"train-{options.what}.json", record)
    print(json.dumps(record, indent=1))


def step_times(steps: Iterator[Any], device: str) -> dict[str, Any]:
    """Step through a training: by stage the wall clock of a step, and the share of it that the device is busy."""
    from .gpu_timing import clock, device_ms
    from .step_worker import PROFILED

    walls: dict[str, list[float]] = {}
    busy: dict[str, float | None] = {}
    first = None
    began = time.perf_counter()
    for progress in steps:
        wall = 1e3 * (clock(device) - began)
        first = wall / 1e3 if first is None else first
        times = walls.setdefault(progress.stage, [])
        times.append(wall)
        if len(times) == PROFILED and device == "cuda":
            busy[progress.stage] = device_ms(lambda: sum(1 for _, _ in zip(range(PROFILED), steps, strict=False)))
        began = time.perf_counter()
    found: dict[str, Any] = {"first": first}
    for stage, times in walls.items():
        median = statistics.median(times[2:] or times)
        own = busy.get(stage)
        found[stage] = {
            "steps_timed": len(times), "step_ms": median, "device_ms": own,
            "device_busy_share": None if own is None else own / median,
        }  # fmt: skip
    return found


def _structure(what: str) -> tuple[str, Any]:
    """A name and sites in nm: the demo's, or the paper's bunny where the file exists, else a built-in structure."""
    from holly_triton.structures import cep152, nuclear_pore

    if what == "demo":
        return "cep152", cep152()
    path = Path(os.environ.get(BUNNY, CARRIED))
    if not path.is_file():
        print(f"no {path}, so a nuclear pore in place of the bunny; {BUNNY} says where it lies")
        return f"nuclear-pore (no {path.name} here)", nuclear_pore()
    from holly_triton.io.clouds import read_cloud

    return path.name, read_cloud(path).points


def report(options: argparse.Namespace) -> int:
    """Tables and plots of what was measured."""
    from . import report as reports

    return reports.main(["--reports", str(options.raw.parent)])


def _output(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None


def _write(path: Path, found: dict[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=1) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Do one step."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.gpu_steps", description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], required=True)
    parser.add_argument("--raw", type=Path, required=True, help="folder of the records")
    steps = parser.add_subparsers(required=True)
    for step in (environment, warm_up, bench, tune, train, frames, frames_train, tomography, report):
        one = steps.add_parser(step.__name__.replace("_", "-"), help=step.__doc__)
        one.set_defaults(step=step)
        one.add_argument("--quick", action="store_true")
        if step is bench:
            one.add_argument("--points", type=int, nargs="+", required=True)
            one.add_argument("--sigma", type=float, required=True)
            one.add_argument("--gaussians", action="store_true", help="only operations that draw Gaussians")
        if step is frames_train:
            one.add_argument("--seconds", type=float, required=True, help="of the training")
        if step is train:
            one.add_argument("what", choices=["demo", "bunny"])
    options = parser.parse_args(arguments)
    try:
        return int(options.step(options) or 0)
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
