"""The command ``tomo match``: a tomogram's file and templates to a list of particles."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.stop import DONE, STOPPED, stoppable
from holly_triton.core.words import counted, rounded
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.particle_lists.writing import write_particles
from holly_triton.io.volumes.masks import as_mask
from holly_triton.io.volumes.reading import read_volume
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.config.matching import SIGN_MARGIN, Matching
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.inspection.checks import check_tomogram
from holly_triton.tomography.places import check_places

from .match import PARTS, Match, StoppedError, better_hand, match_tomogram, picked
from .reading import read_template


class Options(NamedTuple):
    """What the command line gives, beside the files and the settings."""

    symmetries: tuple[str, ...] = ()
    voxel_size: float | None = None
    template_voxel_size: float | None = None
    mask: Path | None = None
    template_mask: Path | None = None
    scores: Path | None = None
    device: str = "auto"
    overwrite: bool = False


def match_file(path: Path, sources: list[str], out: Path, settings: Matching, optics: Optics, options: Options) -> int:
    """Search a tomogram for templates; return the exit code.

    Raises:
        HollyError: A file can't be read or written, a template or mask does not fit, or a symmetry is unknown.
    """
    check_places(out, options.scores, overwrite=options.overwrite)
    device = find_device(options.device)
    volume = read_volume(path, options.voxel_size)
    for remark in volume.remarks:
        LOG.info("%s: %s", path, remark)
    check_tomogram(path, volume.values, tilt=(settings.tilt_least_deg, settings.tilt_most_deg))
    symmetries = options.symmetries * len(sources) if len(options.symmetries) == 1 else options.symmetries
    if symmetries and len(symmetries) != len(sources):
        raise HollyError(f"--symmetry: {len(symmetries)} for {counted(len(sources), 'template')}; give one for all of them, or one for each in the same order")  # fmt: skip
    templates = [
        read_template(source, volume.voxel, options.template_voxel_size, symmetry=symmetry, mask=options.template_mask)
        for source, symmetry in zip(sources, symmetries or [None] * len(sources), strict=True)
    ]
    mask = None
    if options.mask is not None:
        mask = torch.from_numpy(as_mask(options.mask, read_volume(options.mask, volume.voxel).values)).to(device)
    values = torch.from_numpy(np.array(volume.values, dtype=np.float32)).to(device)
    name = path.name.removesuffix(".gz").rpartition(".")[0]
    hands = 2 if settings.mirror else 1
    try:
        with stoppable() as stop, in_parts(PARTS * hands * len(templates)) as begin:
            matches = match_tomogram(
                values, volume.voxel, templates, settings, optics=optics, mask=mask, tomogram=name, begin=begin,
                stopped=lambda: stop.asked,
            )  # fmt: skip
    except StoppedError:
        print(f"Stopped; {out} was not written, and the same command starts anew")
        return STOPPED
    particles = picked(matches)
    write_particles(out, particles, voxel_size=volume.voxel, shape=volume.values.shape)
    if options.scores is not None:
        _write_scores(options.scores, matches)
    _report(path, out, matches, particles)
    return DONE


def _report(path: Path, out: Path, matches: list[Match], particles: ParticleList) -> None:
    for one in matches:
        hand = ", mirrored" if one.mirrored else ""
        best = ", ".join(f"{score:.1f}" for score in one.picks.scores[:3]) or "none"
        print(
            f"{one.template.name}{hand}: {len(one.accepted)} above {one.threshold:.2f} sigma ({one.noise_threshold:.2f} in noise alone); highest {best}; "
            f"{counted(one.rotations, 'rotation')} at {rounded(one.angle_deg)} degrees, searched at {rounded(one.search_voxel)} Å a voxel with "
            f"{counted(one.functions, 'function')} that hold {100 * one.held:.0f} % of their power"
        )
        if one.opposite > SIGN_MARGIN:
            LOG.warning(
                "%s: %s%s fits the opposite contrast better, by %.1f sigma; if protein is bright in it pass --contrast bright, if "
                "dark --contrast dark", path, one.template.name, hand, one.opposite,
            )  # fmt: skip
    for name in dict.fromkeys(one.template.name for one in matches if one.mirrored):
        best_one = better_hand([one for one in matches if one.template.name == name])
        print(f"{name}: the {'mirrored' if best_one.mirrored else 'given'} hand has the higher scores and is the one written")  # fmt: skip
    each = ", ".join(f"{name} {int((particles.labels == name).sum())}" for name in dict.fromkeys(one.template.name for one in matches))  # fmt: skip
    print(f"{out}: {counted(len(particles), 'particle')}: {each}")


def _write_scores(path: Path, matches: list[Match]) -> None:
    """The largest score of each voxel; a file for each template where there are several."""
    for one in matches:
        hand = "_mirrored" if one.mirrored else ""
        place = path if len(matches) == 1 else path.with_name(f"{path.stem}_{one.template.name}{hand}{path.suffix}")
        values = one.search_scores.cpu().numpy()
        write_volume(place, np.where(np.isfinite(values), values, 0), one.search_voxel)
        print(f"{place}: S / sigma of the search")
