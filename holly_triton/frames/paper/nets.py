"""The networks of the study: one for each arm and seed, trained once and kept."""

from dataclasses import dataclass, replace
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.lock import alone
from holly_triton.core.log import LOG
from holly_triton.core.stop import Stop
from holly_triton.core.training import Step
from holly_triton.frames.config.network import Device, Network
from holly_triton.frames.config.training import Training
from holly_triton.frames.localise import Model, read_model
from holly_triton.frames.train import carry_out, folder_of, resume_run, start_run

from .config import Arm, StudyScale

LINES = 10
"""Lines about the progress of a training."""


@dataclass(frozen=True)
class Net:
    """One network.

    Attributes:
        arm: On what it is trained.
        seed: Of its first weights and of its training frames.
        folder: Where the networks of a scale are.
    """

    arm: Arm
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.arm}-{self.seed}"

    @property
    def model(self) -> Path:
        """Its file."""
        return self.folder / f"{self.name}.pt"

    def settings(self, scale: StudyScale, device: Device) -> Training:
        """How it is trained: all arms alike, but for the positions."""
        network = Network(width=scale.width)
        return Training(
            sampling=self.arm, steps=scale.steps, minutes=scale.minutes, seed=self.seed, device=device, network=network
        )


def trained(net: Net, scale: StudyScale, device: Device, stop: Stop) -> Model | None:
    """The trained network, from its file, from its last checkpoint, or from the start; None if it was stopped before the end.

    Raises:
        HollyError: It was trained with other settings, or a file can't be read or written.
    """
    wanted = net.settings(scale, device)
    if net.model.is_file():
        model = read_model(net.model)
        _compare(net, model.training, wanted)
        if is_finished(model):
            return model
    if stop.asked:
        return None
    LOG.info("%s: training", net.model)
    run = resume_run(net.model) if (folder_of(net.model) / "config.toml").is_file() else start_run(net.model, wanted)
    _compare(net, run.trainer.settings, wanted)
    said = run.trainer.done

    def follow(step: Step) -> None:
        nonlocal said
        if step.done >= said + 1 / LINES:
            said = step.done
            LOG.info(
                "%s: %.0f %%, step %d, loss %.3f", net.name, 100 * step.done, step.step, float(step.figures["loss"])
            )

    with alone(run.folder):
        model = carry_out(run, follow, lambda: stop.asked)
    return model if is_finished(model) else None


def is_finished(model: Model) -> bool:
    """Whether a training came to its end; a file is also written of one that was stopped."""
    steps, minutes = model.training.steps, model.training.minutes
    if steps is not None:
        return bool(model.figures["steps"] >= steps)
    return bool(model.figures["seconds"] >= 60 * (minutes or 0))


def _compare(net: Net, found: Training, wanted: Training) -> None:
    others = list(found.differing(replace(wanted, device=found.device)))
    if others:
        raise HollyError(
            f"{net.model}: was trained with other settings ({', '.join(others)}); give those of that training, or another --out"
        )
