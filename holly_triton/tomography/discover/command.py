"""The command ``tomo discover``: activations, clusters, averages and pictures in one folder; stoppable and resumable."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import numpy as np

from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.folder import check_free
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.resumption import JOB, read_job, write_job
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.words import counted, spanned
from holly_triton.tomography.average.imaging import Imaging
from holly_triton.tomography.average.refinement import StoppedError
from holly_triton.tomography.classify.features import Activations, extend_watched, read_features, start_features
from holly_triton.tomography.classify.model import Model, digest, read_model
from holly_triton.tomography.classify.opening import open_set
from holly_triton.tomography.classify.sets import SubtomogramSet, say_unusable, usable
from holly_triton.tomography.config.discovery import LEAST_AVERAGED, Discovery
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.structures import read_density

from .averaging import Averaged, Given, average_cluster, plan_for
from .clustering import NONE, Clusters, find_clusters
from .merging import same_structure
from .pictures import WRITTEN as PICTURES
from .pictures import draw_pictures
from .records import FOLDER, read_average, read_records, write_cluster
from .results import CLUSTERS, METRICS, PARTICLES, Entry, check_same, entries_of, write_results

FEATURES = "features.h5"
WRITTEN = (FEATURES, JOB, CLUSTERS, PARTICLES, METRICS, *PICTURES)


@dataclass(frozen=True)
class Job:
    """What is searched and how, as job.json holds it.

    Attributes:
        data: the set.
        model: that makes the features; None where ``features`` has them.
        features: file of them.
        voxel_size: Å; None for what the files state.
        device: where to compute.
        tilt: first and last, degrees.
        contrast: of protein, where ``optics`` is None.
        optics: table of the CTF that the subtomograms have; None for one that was corrected.
        truths: structures to compare averages with.
        settings: table of the ``Discovery``.
    """

    data: str
    model: str | None
    features: str | None
    voxel_size: float | None
    device: str
    tilt: Sequence[float]
    contrast: Literal["dark", "bright"]
    optics: dict[str, Any] | None
    truths: Sequence[str]
    settings: dict[str, Any]

    @property
    def discovery(self) -> Discovery:
        """The settings."""
        return Discovery.of(self.settings, JOB)

    def given(self, subtomograms: SubtomogramSet) -> Given:
        """What averaging needs beside the values.

        Raises:
            HollyError: A structure can't be read.
        """
        optics = None if self.optics is None else Optics.of(self.optics, JOB)
        imaging = Imaging(subtomograms.voxel, (self.tilt[0], self.tilt[1]), optics, self.contrast)
        return Given(subtomograms, imaging, [read_density(name) for name in self.truths], find_device(self.device))


def discover(out: Path, job: Job, chosen: Sequence[int], *, overwrite: bool) -> int:
    """Search a set; return the exit code.

    Args:
        out: The folder.
        job: What to do.
        chosen: Clusters to average; none for the first of them.
        overwrite: Whether an earlier result in the folder is replaced.

    Raises:
        HollyError: A file can't be read or written, or the set, the model and the options do not fit each other.
    """
    check_free(out, overwrite, "discovery")
    if job.features is not None and Path(job.features).parent == out.resolve():
        raise HollyError(f"{out}: holds the features that are to be used; choose another folder")
    subtomograms, model = _opened(job)  # before the folder: what can't be used leaves none behind
    given = job.given(subtomograms)
    if model is None:
        _features_of(job, subtomograms)
    _check_numbers(subtomograms, job.discovery, chosen)
    _check_usable(subtomograms)
    with stoppable() as stop:
        _prepare(out, job)
        return _carry_out(out, job, given, model, chosen, stop, resume=False)


def resume(data: Path, out: Path, chosen: Sequence[int]) -> int:
    """Continue what was stopped, or average more clusters; return the exit code.

    Raises:
        HollyError: There is nothing to resume, or as ``discover``.
    """
    job = read_job(out, Job)
    if Path(job.data) != data.resolve():
        raise HollyError(f"{out}: is of {job.data}; give that set, or another folder")
    subtomograms, model = _opened(job)
    given = job.given(subtomograms)
    with stoppable() as stop:
        return _carry_out(out, job, given, model, chosen, stop, resume=True)


def _opened(job: Job) -> tuple[SubtomogramSet, Model | None]:
    subtomograms = open_set(Path(job.data), job.voxel_size)
    if job.model is None:
        return subtomograms, None
    model = read_model(Path(job.model), find_device(job.device))
    model.check_suits(subtomograms, Path(job.model))
    return subtomograms, model


def _check_numbers(subtomograms: SubtomogramSet, settings: Discovery, chosen: Sequence[int]) -> None:
    """Refuse more clusters than subtomograms, and numbers above that of the last cluster there can be."""
    count, most = len(subtomograms), settings.clusters_of(len(subtomograms))
    if most > count:
        raise HollyError(
            f"--clusters {most}: {subtomograms.source} has {counted(count, 'subtomogram')}; give fewer clusters"
        )
    if above := [number for number in chosen if number > most]:
        raise HollyError(f"--cluster {above[0]}: there are at most {counted(most, 'cluster')}; choose one of these")


def _check_usable(subtomograms: SubtomogramSet) -> None:
    """Refuse a set of which nothing can be used; as a rule its first chunk shows that something can."""
    if not any(bool(usable(volumes).any()) for _, volumes in subtomograms.chunks()):
        raise HollyError(
            f"{subtomograms.source}: no subtomogram can be used, as each is empty or has values that are not finite; give a set "
            "with particles in its boxes"
        )


def _prepare(out: Path, job: Job) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in WRITTEN:
            (out / name).unlink(missing_ok=True)
        if (out / FOLDER).is_dir():
            shutil.rmtree(out / FOLDER)
    except OSError as error:
        raise HollyError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error
    write_job(out, job)


def _carry_out(
    out: Path, job: Job, given: Given, model: Model | None, chosen: Sequence[int], stop: Stop, *, resume: bool
) -> int:
    found = _activations(out, job, given.subtomograms, model, stop, resume=resume)
    again = f"Go on with: holly-triton tomo discover {quote(job.data)} {quote(str(out))} --resume"
    if found is None:
        print(f"Stopped; the features that are finished are kept. {again}")
        return STOPPED
    clusters = find_clusters(given.subtomograms.source, found, job.discovery)
    if resume:
        check_same(out, clusters)
    known = {"features_of": found.digest, "settings": job.settings, "classes_of_the_training": list(found.classes)}
    wanted = [number for number in _wanted(clusters, chosen, job.discovery) if number not in read_records(out)]
    entries = _written(out, given.subtomograms, clusters, known)
    stopped = False
    with in_parts(max(1, len(wanted))) as begin:
        for number in wanted:
            begin(f"cluster {number}, {counted(len(clusters.rows(number)), 'subtomogram')}")
            try:
                averages = average_cluster(given, number, clusters.rows(number), job.discovery, lambda: stop.asked)
            except StoppedError:
                stopped = True
                break
            write_cluster(out, number, averages, given.subtomograms, _same_as(out, averages, given, job.discovery))
            entries = _written(out, given.subtomograms, clusters, known)
            LOG.info("%s", _words(next(entry for entry in entries if entry.number == number)))
    draw_pictures(out, given.subtomograms, clusters, entries, found, job.discovery)
    _say(out, clusters, entries)
    if stopped:
        print(f"Stopped; clusters that are finished are kept. {again}")
    return STOPPED if stopped else DONE


def _same_as(out: Path, averages: Sequence[Averaged], given: Given, settings: Discovery) -> int | None:
    """The cluster, of those averaged before, whose largest class is of the same structure as the largest of these."""
    if not averages or not averages[0].consistent:
        return None
    firsts = [number for number, record in read_records(out).items() if record.consistent and record.same_as is None]
    others = {number: read_average(out, number, given.imaging, given.device) for number in firsts}
    return same_structure(averages[0].average, others, plan_for(given, settings))


def _written(out: Path, subtomograms: SubtomogramSet, clusters: Clusters, known: dict[str, Any]) -> list[Entry]:
    """The clusters in the order in which to look at them, after their tables were written."""
    entries = entries_of(out, subtomograms, clusters)
    write_results(out, subtomograms, clusters, entries, known)
    return entries


def _features_of(job: Job, subtomograms: SubtomogramSet) -> Activations:
    """The features that were given, which must be of this set."""
    assert job.features is not None
    found = read_features(Path(job.features))
    if found.source != subtomograms.source.resolve() or len(found.linear) != len(subtomograms):
        raise HollyError(
            f"{job.features}: has {len(found.linear)} subtomograms of {found.source}, and {subtomograms.source} has "
            f"{len(subtomograms)}; give the finished features of this set, or --model"
        )
    return found


def _activations(
    out: Path, job: Job, subtomograms: SubtomogramSet, model: Model | None, stop: Stop, *, resume: bool
) -> Activations | None:
    """The features of the set; None where making them was stopped."""
    if model is None:
        found = _features_of(job, subtomograms)
    else:
        assert job.model is not None
        features = start_features(out / FEATURES, subtomograms, model, digest(Path(job.model)), resume=resume)
        features = extend_watched(features, subtomograms, model, stop)
        if features.done < features.total:
            return None
        found = read_features(out / FEATURES)
    good = found.linear.isfinite().all(1).numpy()
    if sentence := say_unusable(subtomograms.source, subtomograms.names, good):
        LOG.warning("%s", sentence.replace("no class", "no cluster"))
    if found.gaussians is None:
        LOG.warning(
            "%s: does not hold where the classes of its training lie, so that new clusters can't be told from known ones and are "
            "numbered by size; train the model again, with more subtomograms of each class",
            job.model or job.features,
        )  # fmt: skip
    return found


def _wanted(clusters: Clusters, chosen: Sequence[int], settings: Discovery) -> list[int]:
    for number in chosen:
        if number not in clusters.numbers:
            raise HollyError(
                f"--cluster {number}: there are clusters 1 to {len(clusters.numbers)}; choose one of these"
            )
    large = [number for number in clusters.numbers if len(clusters.rows(number)) >= LEAST_AVERAGED]
    return list(dict.fromkeys(chosen)) or large[: settings.averaged]


def _say(out: Path, clusters: Clusters, entries: Sequence[Entry]) -> None:
    sizes = [entry.subtomograms for entry in entries]
    print(
        f"{out}: {int(np.sum(clusters.of != NONE))} subtomograms in {counted(len(entries), 'cluster')} of {spanned(min(sizes), max(sizes))}"
    )
    for entry in entries:
        if entry.record is not None:
            print(_words(entry))


def _words(entry: Entry) -> str:
    """A cluster that was averaged, in a sentence."""
    novelty = f"novelty {entry.novelty:.1f}, nearest to {entry.nearest}" if np.isfinite(entry.novelty) else f"most like {entry.nearest}"  # fmt: skip
    if entry.record is None or entry.main is None:
        return f"Cluster {entry.number}: {novelty}; too few subtomograms to average"
    resolution = entry.main["resolution_angstrom"]
    agreement = "the halves do not agree" if resolution is None else f"the halves agree to {resolution:.1f} Å"
    if resolution is not None and resolution <= entry.main.get("finest_angstrom", 0.0):  # earlier records state none
        agreement += ", the limit of the voxels"
    doubt = "" if entry.consistent else ", which is no evidence of a structure"
    same = "" if entry.record.same_as is None else f"; the same structure as cluster {entry.record.same_as}"
    name, detail = entry.main["structure"], entry.main["discrepancy_angstrom"]
    truth = "" if name is None else f"; {name} {'does not agree' if detail is None else f'agrees to {detail:.1f} Å'}"
    return f"Cluster {entry.number}: {novelty}; {entry.main['particles']} of {entry.subtomograms} averaged, {agreement}{doubt}{same}{truth}"
