"""Two processes at one run: the same as one would find, whoever dies or stops.

This file is also what they execute: pairs of processes are forked by torchrun's agent from one that has loaded PyTorch, which
takes longer than their work. ``tests/test_tutorials.py`` types torchrun itself.
"""

import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from holly_triton.cli import main
from holly_triton.core.config import write_config
from holly_triton.core.distributed import joined
from holly_triton.core.errors import HollyError
from holly_triton.particles.config import Amortised, Config, Direct, Optimiser, Relocation, Schedule, Search
from holly_triton.particles.data import Localisations
from holly_triton.particles.run.checkpoints import load_state, save_state
from holly_triton.particles.run.held_out import score_held_out, split
from holly_triton.particles.run.run import find_device, resume_run
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import write_simulation

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
"""Of the processes here, which share a CPU: one GPU would be too few for two of them."""
LOADED = (
    "torch._dynamo", "torch.distributed.nn.functional", "tensorboardX", "pyvista.plotting", "matplotlib.backends.backend_svg",
)  # fmt: skip
"""What a run needs and takes seconds to load, beside the imports above; the first by PyTorch's optimisers."""
PATIENCE_S = 600
"""Processes that wait for one another for ever end; nothing is measured by it."""
SITES = np.random.default_rng(5).normal(size=(20, 3)) * (60, 40, 25)
ANNEALED = {"epochs": 5, "size": 32, "rate": 0.0, "point_rate": 1e-2}
FIXED = {
    "search": Config(
        schedule=Schedule(search_steps=0, rescue_passes=0, polish_steps=11, refine_steps=0, batch=32),
        optimiser=Optimiser(gradient_steps=1),
    ),
    "direct": Config(pose="direct", direct=Direct(**ANNEALED)),
    "amortised": Config(pose="amortised", amortised=Amortised(**ANNEALED)),
}
"""Poses of the two last stay what they are. 65 pictures make batches of 32, 32 and 1, of which a second process gets none."""
WHOLE = Config(
    points=20,
    schedule=Schedule(search_steps=20, rescue_passes=1, polish_steps=5, refine_steps=2, batch=33),
    search=Search(candidates=101, dense_candidates=200, dense_batch=16),
    relocation=Relocation(every=5),
)
"""All stages, no number even."""
Found = dict[str, torch.Tensor]


def pictures() -> Localisations:
    return simulate(SITES, 65, generator=torch.Generator().manual_seed(1)).localisations


def step_ten_times(config: Config) -> Found:
    """Gradients after a step and points after ten, with batch norm as it is at first."""
    work = make_trainer(dataclasses.replace(config, points=20, device="cpu"), pictures())
    if config.pose == "amortised":
        network = work.method.model.eval()
        network.train = lambda mode: network
    found: Found = {}
    for progress in work.run():
        if progress.step == 1:
            parameters = [one for group in work.method.optimiser.param_groups for one in group["params"]]
            gradients = (one.grad for one in parameters if one.grad is not None)
            found = {f"gradient {number}": gradient.clone() for number, gradient in enumerate(gradients)}
        if progress.step == 10:
            break
    return {**found, "points": work.state.points.detach(), "loss": work.state.loss}


def step_to_the_end(config: Config, stop: int = 0) -> Found:
    """What a whole run ends with; with ``stop``, saved after that step and taken up again."""
    config = dataclasses.replace(config, device="cpu")
    work = make_trainer(config, pictures())
    for progress in work.run():
        if progress.step == stop:
            with tempfile.TemporaryDirectory() as folder:
                save_state(Path(folder), work.state)
                work = make_trainer(config, pictures(), load_state(Path(folder), torch.device("cpu")))
            for _ in work.run():
                pass
            break
    state = work.state
    return {name: getattr(state, name).detach() for name in ("points", "rotation", "shift", "loss", "generator")}


def score_without_training() -> Found:
    """The poses of held-out pictures, and their fit, under a random cloud."""
    parts = split(pictures(), 0.2)
    scored = score_held_out(parts, make_trainer(dataclasses.replace(WHOLE, device="cpu"), parts.training))
    assert scored is not None
    fit, poses = scored
    return {**poses._asdict(), "fit": torch.tensor([fit.loss, fit.loss_training])}


def everything() -> dict[str, Found]:
    trained = dataclasses.replace(FIXED["amortised"], amortised=Amortised(**{**ANNEALED, "rate": 1e-3}))
    return {
        **{pose: step_ten_times(config) for pose, config in FIXED.items()},
        "whole": step_to_the_end(WHOLE),
        "resumed": step_to_the_end(WHOLE, stop=12),
        "held out": score_without_training(),
        "batch norm": step_to_the_end(dataclasses.replace(trained, points=20)),
    }


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """What the three pairs of ``launch_all`` leave."""
    folder = tmp_path_factory.mktemp("ranks")
    write_simulation(folder / "data", simulate(SITES, 65, generator=torch.Generator().manual_seed(1)))
    schedule = dataclasses.replace(WHOLE.schedule, starts=1)  # the first checkpoint is of the structure
    write_config(folder / "brief.toml", dataclasses.replace(WHOLE, schedule=schedule, checkpoint_every=5))
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return folder


def said(logs: Path, stream: str) -> str:
    """What both processes of a pair wrote."""
    return "".join(path.read_text() for path in logs.rglob(f"{stream}.log"))


@pytest.fixture(scope="module")
def found(pairs) -> list[dict[str, Found]]:
    """What one process finds, and each of two."""
    return [everything(), *(torch.load(pairs / f"{rank}.pt", weights_only=True) for rank in range(2))]


@pytest.mark.parametrize("pose", FIXED)
def test_two_processes_take_the_steps_of_one(found, pose):
    one, two = found[0][pose], found[1][pose]
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert (two[name] - value).norm() <= 1e-5 * value.norm(), name


@pytest.mark.parametrize("run", ["search", "whole", "batch norm", "held out"])
def test_both_hold_the_same_state(found, run):
    for name, value in found[1][run].items():
        assert torch.equal(found[2][run][name], value), name


def test_the_same_number_goes_on_to_the_same_bits(found):
    for name, value in found[1]["whole"].items():
        assert torch.equal(found[1]["resumed"][name], value), name


def test_two_score_held_out_pictures_as_one_does(found):
    one, two = (ranks["held out"]["fit"] for ranks in found[:2])
    assert one.tolist() == pytest.approx(two.tolist(), rel=0.1)


def test_two_explain_the_pictures_as_well_as_one(found):
    one, two = (float(ranks["whole"]["loss"].mean()) for ranks in found[:2])
    assert two == pytest.approx(one, rel=0.1)


def test_a_run_survives_its_processes(pairs):
    """Stopped with two processes, taken up by two of which one dies, and by one."""
    run = pairs / "run"
    assert said(pairs / "stopped", "stdout").count(f"Go on with: holly-triton train --resume {run}") == 1
    assert json.loads((run / "metrics.json").read_text())["processes"] == 2
    assert (run / "cloud.ply").is_file()

    died = said(pairs / "died", "stderr")
    assert "another process of this run ended" in died
    assert "holly_triton" not in "".join(line for line in died.splitlines() if line.startswith("  File")), died

    work = resume_run(run).trainer
    assert 0 < work.state.step < work.plan.total_steps
    assert list(work.run())[-1].step == work.plan.total_steps


def test_more_processes_than_devices_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert find_device("cpu").type == "cpu"
    with pytest.raises(HollyError, match="--nproc-per-node 2: .* 1 CUDA device here"):
        find_device("auto")


def launch_all(folder: Path) -> None:
    """Three pairs of processes: they find everything; they are stopped in a run; one dies after they went on with it."""
    run = folder / "run"
    words = ["train", folder / "data", "--config", folder / "brief.toml", "--out", run]
    assert launch(folder / "found", find, folder), said(folder / "found", "stderr")
    assert not launch(folder / "stopped", end, "SIGTERM", run, *words)
    assert not launch(folder / "died", end, "SIGKILL", run, "train", "--resume", run)


def launch(logs: Path, work: Callable[..., None], *words: object) -> bool:
    """Whether two processes end well, which start as torchrun starts them and write to files in ``logs``."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    written = DefaultLogsSpecs(log_dir=str(logs), redirects=Std.ALL)
    here = {"run_id": logs.name, "rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "max_restarts": 0}
    try:
        elastic_launch(LaunchConfig(1, 1, 2, **here, start_method="fork", logs_specs=written), work)(*map(str, words))
    except ChildFailedError:
        return False
    return True


def find(folder: str) -> None:
    with joined():
        torch.save(everything(), Path(folder) / f"{os.environ['RANK']}.pt")
    # Threads of gloo that are left would abort some processes at their very end.
    assert not [thread for thread in Path("/proc/self/task").glob("*/comm") if "gloo" in thread.read_text()]


def end(name: str, run: str, *words: str) -> None:
    """Give a command; the second process gets a signal as soon as the first has written a checkpoint."""
    last = Path(run) / "checkpoints" / "last.pt"

    def written() -> int:
        return last.stat().st_mtime_ns if last.exists() else 0

    def watch(before: int) -> None:
        while written() == before:
            time.sleep(0.01)
        os.kill(os.getpid(), getattr(signal, name))

    # A fork has the handler of the process that launched it, which would raise its error within whatever is being done when the
    # other process died; torchrun's own processes have none.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.environ["RANK"] == "1":
        threading.Thread(target=watch, args=[written()], daemon=True).start()
    main(list(words))


if __name__ == "__main__":
    for name in LOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    launch_all(Path(sys.argv[1]))
