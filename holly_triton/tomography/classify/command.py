"""The command ``tomo classify``: a training, a classification, or both, in one folder."""

from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from holly_triton.core.device import find_device
from holly_triton.core.distributed import leads, size, wait
from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json, replacing
from holly_triton.core.folder import check_free
from holly_triton.core.log import LOG
from holly_triton.core.resumption import JOB, read_job, write_job
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.training import folder_of
from holly_triton.core.training_command import carried_out, ended
from holly_triton.core.types import Array, Figures
from holly_triton.core.words import counted
from holly_triton.tomography.config.classification import Training
from holly_triton.tomography.pictures.confusion import draw_matrices

from .evaluation import figures_of
from .features import Features, extend_watched, start_features
from .model import Model, digest, parameters, read_model
from .opening import open_set
from .prediction import truth_of, write_classes
from .run import MODEL, Run, carry_out, resume_run, start_run
from .sets import SubtomogramSet, say_unusable
from .sources import split, trainable

FEATURES, CLASSES, METRICS, CONFUSION = "features.h5", "classes.csv", "metrics.json", "confusion.png"
WRITTEN = (FEATURES, CLASSES, METRICS, CONFUSION, JOB)
SCHEMA = 1
"""Version of metrics.json."""
THOUSAND = 1000


@dataclass(frozen=True)
class Job:
    """What is classified, with which model, as job.json holds it."""

    data: str
    model: str
    voxel_size: float | None
    device: str

    def trained_in(self, out: Path) -> bool:
        """Whether the model is that of a training in the folder."""
        return Path(self.model) == (out / MODEL).resolve()


def train_and_classify(out: Path, settings: Training, *, overwrite: bool) -> int:
    """Train on a set, then classify all of it; return the exit code.

    Raises:
        HollyError: There are several processes, the folder is in use, or the set can't be trained on.
    """
    if size() > 1:
        raise HollyError("--train: is done by one process; train without torchrun, then classify with it and --model")
    check_free(out, overwrite)
    with stoppable() as stop:
        _prepare(out)
        run = start_run(out / MODEL, settings, overwrite=overwrite)
        write_job(
            out,
            Job(str(Path(settings.data).resolve()), str((out / MODEL).resolve()), settings.voxel_size, settings.device),
        )
        if isinstance(run, Run) and _train(run, stop) == STOPPED:
            return STOPPED
        return _classify(out, stop, resume=False)


def classify(data: Path, out: Path, model: Path, *, voxel_size: float | None, device: str, overwrite: bool) -> int:
    """Classify a set with a model; return the exit code."""
    check_free(out, overwrite)
    suited = read_model(model)  # before the folder: what can't be used leaves none behind
    suited.check_suits(open_set(data, voxel_size), model)
    wait()  # until all have found the folder free
    with stoppable() as stop:
        if leads():
            _prepare(out)
            write_job(out, Job(str(data.resolve()), str(model.resolve()), voxel_size, device))
        wait()
        return _classify(out, stop, resume=False)


def resume(data: Path, out: Path) -> int:
    """Continue what was stopped; return the exit code."""
    job = read_job(out, Job)
    if Path(job.data) != data.resolve():
        raise HollyError(f"{out}: is of {job.data}; give that set, or another folder")
    with stoppable() as stop:
        if job.trained_in(out) and (folder_of(out / MODEL) / "config.toml").is_file():
            run = resume_run(out / MODEL)
            if run.trainer.done < 1 or not (out / MODEL).is_file():
                if size() > 1:
                    raise HollyError(
                        f"{out}: its training is not finished, and is done by one process; go on without torchrun"
                    )
                LOG.info("%s: going on at step %d", out, run.trainer.state.step)
                if _train(run, stop) == STOPPED:
                    return STOPPED
        return _classify(out, stop, resume=True)


def _prepare(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in WRITTEN:
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise HollyError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error


def _train(run: Run, stop: Stop) -> int:
    trainer, settings, kinds = run.trainer, run.trainer.settings, run.trainer.source.kinds
    LOG.info(
        "%s: network %s, %d thousand parameters; %d subtomograms of %d classes, boxes of %d voxels of %g Å; steps of %d on %s",
        run.model, settings.network.name, parameters(trainer.network) // THOUSAND, trainer.source.epoch, len(kinds.classes),
        kinds.size, kinds.voxel, settings.batch, trainer.device.type,
    )  # fmt: skip
    figures = carried_out(run, stop, _words, carry_out).figures
    print(
        f"{run.model}: {counted(figures['steps'], 'step')} in {figures['seconds']:.0f} s; on validation {_words(figures['validation'])}"
    )
    return ended(run, f"holly-triton tomo classify {quote(settings.data)} {quote(str(run.model.parent))} --resume")


def _words(figures: Figures) -> str:
    return f"accuracy {figures['accuracy']:.3f}, top-2 {figures['top2']:.3f}"


def _classify(out: Path, stop: Stop, *, resume: bool) -> int:
    job = read_job(out, Job)
    path = Path(job.model)
    model = read_model(path, find_device(job.device))
    subtomograms = open_set(Path(job.data), job.voxel_size)
    model.check_suits(subtomograms, path)
    features = start_features(out / FEATURES, subtomograms, model, digest(path), resume=resume)
    features = extend_watched(features, subtomograms, model, stop)
    if features.done < features.total:
        print(
            f"Stopped after {features.done} of {features.total} subtomograms. Go on with: "
            f"holly-triton tomo classify {quote(job.data)} {quote(str(out))} --resume"
        )
        return STOPPED
    if leads():
        _conclude(out, job, model, subtomograms, features)
    return DONE


def _conclude(out: Path, job: Job, model: Model, subtomograms: SubtomogramSet, features: Features) -> None:
    """Table, figures and picture of finished activations."""
    linear = features.read()
    good = linear.isfinite().all(1).numpy()
    if sentence := say_unusable(subtomograms.source, subtomograms.names, good):
        LOG.warning("%s", sentence)
    rows, truth = truth_of(subtomograms, model, linear)
    trained_on = None
    if job.trained_in(out):
        trained_on, validation = _parts(subtomograms, model)
        judged = np.isin(rows, validation)
        rows, truth = rows[judged], truth[judged]
    elif len(rows) and Path(model.training.data).resolve() == Path(job.data).resolve():
        LOG.warning("%s: %s was trained on a part of these, so that the accuracy says little of others", job.data, job.model)  # fmt: skip
    write_classes(out / CLASSES, subtomograms, model, linear, trained_on)
    metrics = _metrics(model, features, good, subtomograms)
    if len(rows):
        metrics["judged_on"] = "validation" if trained_on is not None else "all whose class the model knows"
        metrics |= figures_of(linear[rows], truth, model.temperature, model.classes)
        title = f"{_words(metrics)}, {len(rows)} subtomograms"
        draw_matrices(out / CONFUSION, {title: (model.classes, np.array(metrics["confusion"]))}, "classified as")
    with replacing(out / METRICS) as partial:
        partial.write_text(as_json(metrics), encoding="utf-8")
    print(f"{out}: {features.total} subtomograms classified; {_summary(metrics, subtomograms)}")


def _metrics(model: Model, features: Features, good: Array, subtomograms: SubtomogramSet) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "source": subtomograms.source.name,
        "network": model.training.network.name,
        "parameters": parameters(model.network),
        "temperature": model.temperature,
        "classified": int(good.sum()),
        "unusable": int((~good).sum()),
        "per_second": features.made / max(features.seconds, 1e-9) if features.made else None,
    }


def _summary(metrics: dict[str, Any], subtomograms: SubtomogramSet) -> str:
    if "accuracy" in metrics:
        return (
            f"{_words(metrics)} on {metrics['subtomograms']} of {metrics['judged_on']} (chance {metrics['chance']:.3f})"
        )
    reason = "no label names a class of the model" if subtomograms.labels is not None else "no class is known"
    return f"{reason}, so that there is no accuracy"


def _parts(subtomograms: SubtomogramSet, model: Model) -> tuple[Array, Array]:
    """Which subtomograms the model was trained on ``[N]``, copies of them as well, and the rows it was validated on."""
    found = trainable(subtomograms)
    training, validation = split(subtomograms, found.rows, model.training)
    return np.isin(found.content, found.content[training]), validation
