"""The networks of the study: ours and the paper's recipe, each trained once for every seed and kept."""

from dataclasses import dataclass, replace
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.lock import alone
from holly_triton.core.log import LOG
from holly_triton.core.stop import Stop
from holly_triton.core.training import Step, folder_of
from holly_triton.tomography.config.network import Device, Network
from holly_triton.tomography.config.training import LabelNoise, Loss, Optimiser, Patching, Renewal, Training
from holly_triton.tomography.segment.model import Model, read_model
from holly_triton.tomography.train import carry_out, resume_run, start_run
from holly_triton.tomography.train.simulated import Simulated

from .config import REFERENCE, SNR_TRAINED, TILT_TRAINED, Method, StudyScale
from .tomograms import Bench

LINES = 10
"""Lines about the progress of a training."""


@dataclass(frozen=True)
class Net:
    """One network of a seed."""

    method: Method
    seed: int
    folder: Path

    @property
    def model(self) -> Path:
        """Its file."""
        return self.folder / f"{self.method}-{self.seed}.pt"

    def settings(self, scale: StudyScale, device: Device) -> Training:
        """How it is trained."""
        if self.method == "deepfinder":
            return Training(
                data="the study", targets="spheres", steps=scale.steps, seed=self.seed, device=device,
                network=Network("deepfinder", scale.deepfinder_width), batch=scale.deepfinder_batch,
                patches=Patching(side=56), loss=Loss(tversky=0.0, foreground=1.0),
                optimiser=Optimiser(rate=1e-4, beta2=0.999, decay=0.0, clip=1e6, warm_up_steps=1, last_rate=1e-4, average=0.0),
            )  # fmt: skip
        network = Network("own", scale.network_width)
        return Training(data="the study", steps=scale.steps, seed=self.seed, device=device, network=network)


def trained(net: Net, bench: Bench, device: Device, stop: Stop) -> Model | None:
    """The trained network, from its file, from its last checkpoint, or from the start; None if it was stopped before the end.

    Raises:
        HollyError: It was trained with other settings, or a file can't be read or written.
    """
    if net.model.is_file():
        model = read_model(net.model)
        _compare(net, model.training, net.settings(bench.scale, device))
        if is_finished(model):
            return model
    if stop.asked:
        return None
    LOG.info("%s: training", net.model.name)
    source = source_of(bench, net.seed)
    resumes = (folder_of(net.model) / "config.toml").is_file()
    run = resume_run(net.model, source=source) if resumes else start_run(net.model, net.settings(bench.scale, device), source=source)  # fmt: skip
    said = run.trainer.done

    def follow(step: Step) -> None:
        nonlocal said
        if step.done >= said + 1 / LINES:
            said = step.done
            LOG.info("%s: %.0f %%, step %d, loss %.3f", net.model.name, 100 * step.done, step.step, float(step.figures["loss"]))  # fmt: skip

    with alone(run.folder):
        model = carry_out(run, follow, lambda: stop.asked)
    return model if is_finished(model) else None


def is_finished(model: Model) -> bool:
    """Whether a training came to its end; a file is also written of one that was stopped."""
    return bool(model.figures["steps"] >= (model.training.steps or 0))


def _compare(net: Net, found: Training, wanted: Training) -> None:
    others = list(found.differing(replace(wanted, device=found.device)))
    if others:
        raise HollyError(
            f"{net.model}: was trained with other settings ({', '.join(others)}); give those of that training, or another --out"
        )


def source_of(bench: Bench, seed: int) -> Simulated:
    """Tomograms that are simulated as the training goes, in all conditions, so that one network serves them all."""
    counted = [(density, bench.scale.particles) for density in bench.classes]
    (snr_least, snr_most), (tilt_least, tilt_most) = SNR_TRAINED, TILT_TRAINED
    renewal = Renewal(
        first=bench.scale.first, kept=4 * bench.scale.first, validation=bench.scale.validation, snr_least=snr_least,
        snr_most=snr_most, tilt_least=tilt_least, tilt_most=tilt_most,
    )  # fmt: skip
    return Simulated.of(bench.settings(REFERENCE), renewal, LabelNoise(), "dark", seed, bench.device, classes=counted)
