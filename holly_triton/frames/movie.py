"""A simulated movie in files: ``frames.tif``, ``truth.csv``, ``psf.h5`` and ``settings.toml``, written block by block."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from holly_triton.core.config import Settings, write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.progress import in_parts
from holly_triton.core.types import Array

from .beads import write_beads
from .camera import Camera, MapFiles, write_maps
from .config.simulation import BLOCK_PIXELS, DENSITY, MovieSettings
from .drift.walk import drift_walk, write_drift
from .emitters import Emitters
from .psf import Psf, write_psf
from .samplers.density import neighbour_distance, random_number
from .scene import Scene
from .simulate import vary
from .tiff_writer import LARGEST_ADU, write_tiff

FRAMES, TRUTH, PSF, SETTINGS, BEADS = "frames.tif", "truth.csv", "psf.h5", "settings.toml", "beads.tif"
DRIFT = "drift.csv"
HEADER = "Ground-truth,frame,xnano,ynano,znano,intensity"


@dataclass(frozen=True)
class Written(Settings):
    """All that a ``settings.toml`` holds."""

    pixel_nm: float
    movie: MovieSettings
    camera: Camera
    maps: MapFiles = MapFiles()

    def table(self) -> dict[str, Any]:
        """The settings, and beside them the field for ``frames evaluate``."""
        sides = [self.movie.width_px * self.pixel_nm, self.movie.height_px * self.pixel_nm]
        table, maps = super().table(), {key: name for key, name in self.maps._asdict().items() if name is not None}
        return {"field_nm": sides, **table, "camera": {**table["camera"], **maps}}

    def _values(self) -> list[tuple[str, object]]:
        return [(name, value) for name, value in super()._values() if name != "maps"]


@dataclass
class Summary:
    """What was written, counted while it was."""

    field_um2: float
    emitters: int = 0
    """Rows of the truth."""
    frames: int = 0
    distance_nm: float = math.nan
    """Mean distance to the nearest neighbour, of the frames of the first block."""
    nominal: float = math.nan
    """Nominal density of these, per square micrometre."""
    saturated: int = 0
    """Pixels of all frames."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what was left out."""

    def lines(self, out: Path) -> list[str]:
        """Sentences for the person who asked for the movie."""
        mean = self.emitters / self.frames
        said = f"{out}: {self.frames} frames with {mean:.3g} emitters each on average, {mean / self.field_um2:.3g} per um2."
        lines = [*self.notes, said]
        if math.isfinite(self.nominal):
            lines.append(
                f"Their mean distance to the nearest neighbour is {self.distance_nm:.0f} nm, as that of {self.nominal:.3g} "
                "random emitters per um2 (nominal density)."
            )
        if self.saturated:
            lines.append(f"{self.saturated} pixels are saturated; their photons are unknown.")
        return lines


def write_movie(
    out: Path, settings: MovieSettings, psf: Psf, camera: Camera, *, overwrite: bool = False,
    beads: tuple[int, float] | None = None,
) -> Summary:  # fmt: skip
    """Simulate a movie, with memory that does not depend on its length. The same settings give the same bytes.

    Args:
        out: Folder; it is made.
        settings: Of the movie.
        psf: How an emitter's light spreads.
        camera: What records it.
        overwrite: Replace a movie in an existing folder; other files in it stay.
        beads: Number of beads and step in nm of a bead stack, to be written as well.

    Returns:
        What was written.

    Raises:
        HollyError: The folder is in use, there would be too many emitters, the camera stores more than 16 bits, a structure can't be read, or a file can't be
            written.
    """
    if camera.saturation_adu > LARGEST_ADU:
        raise HollyError(
            f"saturation_adu is {camera.saturation_adu:g}; frames are stored in 16 bits, up to {LARGEST_ADU}"
        )
    shape = (settings.height_px, settings.width_px)
    _check_number(settings, math.prod(shape) * psf.pixel_nm**2 / 1e6)
    generator = torch.Generator().manual_seed(settings.seed)
    seeing = camera.seeing(1, shape, generator)
    scene = Scene(settings, (shape[1] * psf.pixel_nm, shape[0] * psf.pixel_nm), psf.z_range_nm, generator)
    _make_place(out, overwrite)
    if beads is not None:
        write_beads(out / BEADS, *beads, psf, camera, settings, torch.Generator().manual_seed(settings.seed))
    write_psf(out / PSF, psf)
    with (
        replacing(out / FRAMES) as tif,
        replacing(out / TRUTH) as table,
        table.open("w", encoding="ascii", newline="\n") as file,
    ):
        file.write(HEADER + "\n")
        walk = drift_walk(settings.frames, settings.drift, settings.seed)
        movie = _Movie(scene, psf, seeing, shape, file, torch.as_tensor(walk, dtype=torch.float32))
        write_tiff(tif, movie.frames(), (settings.frames, *shape), psf.pixel_nm)
    if settings.drift:
        write_drift(out / DRIFT, walk)
    write_config(out / SETTINGS, Written(psf.pixel_nm, settings, camera, write_maps(out, seeing)))
    return movie.summary


def _check_number(settings: MovieSettings, field_um2: float) -> None:
    """Refuse more emitters than the largest density has in such a field."""
    most = DENSITY.most * field_um2
    if settings.emitters is not None and settings.emitters > most:
        raise HollyError(
            f"{settings.emitters:g} emitters in a frame are {settings.emitters / field_um2:.3g} per um2; give {math.floor(most)} at most, "
            f"which are {DENSITY.most} per um2"
        )


class _Movie:
    """Frames, drawn block by block; the truth is written on the way."""

    def __init__(
        self, scene: Scene, psf: Psf, camera: Camera, shape: tuple[int, int], truth: TextIO, walk: torch.Tensor
    ) -> None:
        self.scene, self.psf, self.camera, self.shape, self.truth, self.walk = scene, psf, camera, shape, truth, walk
        self.summary = Summary(math.prod(scene.field_nm) / 1e6, notes=scene.notes)

    def frames(self) -> Iterator[Array]:
        settings, generator = self.scene.settings, self.scene.generator
        background = vary(torch.tensor([settings.background]), self.shape, settings.background_variation, generator)
        block = max(1, BLOCK_PIXELS // math.prod(self.shape))
        with in_parts(math.ceil(settings.frames / block)) as begin:
            for emitters in self.scene.blocks(block):
                begin(f"frames {self.summary.frames + 1} to {self.summary.frames + emitters.frames}")
                emitters = emitters._replace(xyz=emitters.xyz + self.walk[self.summary.frames + emitters.frame()])
                adu = self.camera.record(self.psf.draw(emitters, self.shape) + background, generator)
                self.summary.saturated += int(self.camera.saturated(adu).sum())
                self._write_truth(emitters)
                yield from adu.numpy().astype(np.uint16)

    def _write_truth(self, emitters: Emitters) -> None:
        x, y, _ = emitters.xyz.unbind(1)
        width, height = self.scene.field_nm
        inside = emitters.take((x >= 0) & (x < width) & (y >= 0) & (y < height))
        summary = self.summary
        if summary.frames == 0:
            summary.distance_nm = neighbour_distance(inside.xyz[:, :2].numpy(), inside.offsets.numpy())
            if math.isfinite(summary.distance_nm):
                summary.nominal = random_number(summary.distance_nm, (width, height)) / summary.field_um2
        rows = len(inside.xyz)
        number = np.arange(summary.emitters + 1, summary.emitters + rows + 1)
        frame = inside.frame().numpy() + summary.frames + 1
        values = np.column_stack([number, frame, inside.xyz.numpy(), inside.photons.numpy()])
        np.savetxt(self.truth, values, fmt="%d,%d,%.3f,%.3f,%.3f,%.3f")
        summary.emitters += rows
        summary.frames += emitters.frames


def _make_place(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise HollyError(f"{out}: is a file; give the name of a folder")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise HollyError(
            f"{out}: exists already; choose another folder, or pass --overwrite to replace the movie in it"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HollyError(f"{out}: cannot be made ({error.strerror}); choose another folder") from error
    with suppress(FileNotFoundError):
        (out / SETTINGS).unlink()  # without it, a movie that was only half replaced can't be taken for a whole one
