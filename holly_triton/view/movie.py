"""Movies of a cloud: its rotation, and its trajectory during training.

MP4 is H.264 with 4:2:0 colour and its index first, which every browser plays; GIF plays where MP4 does not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.optional import require
from holly_triton.core.types import Array
from holly_triton.io.channels import PointChannels

from .page import Page
from .scene import MARGIN, around, frame_from_anywhere, scene_of
from .stage import stage

TURN_SECONDS = 5
GROWTH_SECONDS, REST_SECONDS = 9, 3
"""Seconds of the trajectory, and of the last cloud after it; the camera makes one rotation over both together."""
INSIDE_QUANTILE = 0.95
"""Quantile of the points that must stay inside the frame of a trajectory: the outliers of the first clouds would make the
rest small."""
STRIP = 0.12
"""Height of the strip below the picture, for the scale bar and text, as a fraction of the picture's side."""
GIF_COLOURS = 256
NEARLY_WHITE = 250
"""A palette consists of mean colours, and the mean of the white background and the pale edges of letters is not white."""


def turntable(
    points_nm: Array,
    path: Path,
    *,
    truth: Array | None = None,
    spread: Array | None = None,
    channels: PointChannels | None = None,
) -> None:
    """Write a movie of one rotation of the cloud about the vertical axis, seen slightly from above.

    Args:
        points_nm: The result ``[N, 3]``, nm.
        path: Name of the file, which ends in .mp4 or .gif.
        truth: ``[M, 3]``, nm, in the same frame.
        spread: Spread of each point ``[N]``, nm, shown by its colour; not together with a truth.
        channels: The channel of each point, shown by its colour where there are neither truth nor spread.

    Raises:
        HollyError: The name ends otherwise, the file can't be written, or the encoder of MP4 is not installed.
    """
    kind = _format(path)
    scene = scene_of(points_nm, truth, spread, channels)
    centre, half = frame_from_anywhere(scene.clouds)

    def frames() -> Iterator[Array]:
        strip = _strip(kind.side, half, spread_limit_nm=scene.spread_limit_nm, legend=scene.legend)
        with stage(scene, kind.side) as drawn:
            for view in around(kind.frames(TURN_SECONDS)):
                yield np.concatenate([drawn.draw(view, centre, half), strip])

    kind.write(path, frames())


def growth(points_nm: Array, captions: Sequence[str], path: Path) -> None:
    """Write a movie of the cloud's trajectory during training, slowly rotating.

    Args:
        points_nm: K states ``[K, N, 3]``, nm, from the first to the last.
        captions: A caption for each of the K states.
        path: Name of the file, which ends in .mp4 or .gif.

    Raises:
        HollyError: The name ends otherwise, the file can't be written, or the encoder of MP4 is not installed.
    """
    kind = _format(path)
    states = np.asarray(points_nm, dtype=np.float64)
    states = states - states.mean(axis=1, keepdims=True)
    scene = scene_of(states[-1])  # which sets the size of the spheres
    reach = np.quantile(np.linalg.norm(states, axis=2), INSIDE_QUANTILE, axis=1).max()
    half = max(frame_from_anywhere(scene.clouds)[1], MARGIN * float(reach))
    views = around(kind.frames(GROWTH_SECONDS + REST_SECONDS))
    shown = np.linspace(0, len(states), kind.frames(GROWTH_SECONDS), endpoint=False).astype(int)
    shown = np.pad(shown, (0, len(views) - len(shown)), constant_values=len(states) - 1)

    def frames() -> Iterator[Array]:
        strips = [_strip(kind.side, half, caption) for caption in captions]
        with stage(scene, kind.side) as drawn:
            for view, state in zip(views, shown, strict=True):
                drawn.move(states[state])
                yield np.concatenate([drawn.draw(view, np.zeros(3), half), strips[state]])

    kind.write(path, frames())


def _strip(
    side: int, half_nm: float, caption: str = "", spread_limit_nm: float | None = None,
    legend: Sequence[tuple[str, str]] = (),
) -> Array:  # fmt: skip
    """The strip below each picture ``[h, side, 3]`` uint8: a scale bar, and text, a colour bar or a legend."""
    height = 2 * round(STRIP * side / 2)  # H.264 in 4:2:0 allows even sizes only
    page, margin, text = Page(side, height), 0.04 * side, 0.033 * side
    page.scale_bar(margin, 0.35 * height, 0.4 * half_nm, side / (2 * half_nm), text)
    page.write(side - margin, 0.35 * height + 0.32 * text, caption, text, ha="right")
    if legend:
        page.legend(legend, side - margin, 0.25 * height, text)
    if spread_limit_nm is not None:
        page.colour_bar(side - margin, 0.35 * height - text / 2, 0.27 * side, spread_limit_nm, text)
    return page.pixels()


@dataclass(frozen=True)
class _Format:
    """A format of movies: side of its pictures in pixels (even), pictures per second, and the encoder."""

    side: int
    rate: float
    encode: Callable[[Path, Iterator[Array], float], None]

    def frames(self, seconds: float) -> int:
        """Number of pictures for a duration in seconds."""
        return round(seconds * self.rate)

    def write(self, path: Path, frames: Iterator[Array]) -> None:
        """Encode pictures ``[H, W, 3]`` uint8."""
        with replacing(path) as partial:
            partial.touch()  # a folder without write permission is reported before the first picture, not after the last
            self.encode(partial, frames, self.rate)


def _write_gif(path: Path, frames: Iterator[Array], rate: float) -> None:
    from PIL import Image

    # One palette from pictures of the whole movie, since separate palettes would flicker.
    pictures = [Image.fromarray(frame) for frame in frames]
    some = np.concatenate([np.asarray(picture) for picture in pictures[:: max(1, len(pictures) // 4)]])
    palette = Image.fromarray(some).quantize(GIF_COLOURS)
    colours = np.reshape(palette.getpalette() or [], (-1, 3))
    colours[colours.min(axis=1) >= NEARLY_WHITE] = 255
    palette.putpalette(colours.ravel().tolist())
    first, *others = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    first.save(path, format="GIF", save_all=True, append_images=others, duration=round(1000 / rate), loop=0)


def _write_mp4(path: Path, frames: Iterator[Array], rate: float) -> None:
    imageio_ffmpeg = require("imageio_ffmpeg", f"{path}: MP4")
    first = next(frames)
    height, width = first.shape[:2]
    # "f", as the partial file has another suffix; the index before the pictures, so that a browser can start early.
    options = ["-f", "mp4", "-movflags", "+faststart"]
    encoder = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=rate,
        codec="libx264",
        quality=7,
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=options,
    )
    encoder.send(None)
    try:
        for frame in chain([first], frames):
            encoder.send(frame)
    except OSError as error:
        raise OSError(str(error).splitlines()[0]) from error  # the other lines are the log of ffmpeg
    finally:
        encoder.close()


FORMATS = {".gif": _Format(480, 12.5, _write_gif), ".mp4": _Format(720, 25, _write_mp4)}
"""GIF stores nearly whole pictures, so they are fewer and smaller; its delays are multiples of 10 ms."""


def _format(path: Path) -> _Format:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise HollyError(f"{path}: the name of a movie must end in .mp4 or .gif")
    if kind.encode is _write_mp4:
        encoder = require("imageio_ffmpeg", f"{path}: MP4 (a .gif needs nothing more)")
        try:
            encoder.get_ffmpeg_exe()
        except RuntimeError as error:  # the package was installed without the program
            raise HollyError(f"{path}: MP4 needs the program ffmpeg; install it, or name a .gif") from error
    return kind
