"""Which planes of a data set with channels, slices along z and times are the frames of a movie."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array

MOST_CHANNELS = 8
"""A longer axis of channels without any other is time, under the wrong name."""


def frames_among(path: Path, sizes: Mapping[str, int], channel: int | None) -> tuple[Array, list[str]]:
    """Numbers of the planes that are the frames, in order of time ``[F]``; and notes about the choice.

    A single axis of slices is time, since ImageJ calls every stack slices.

    Args:
        path: The file, for messages.
        sizes: Lengths of the axes C, Z and T, from the fastest to the slowest, as planes are counted.
        channel: Number of the channel, from 1; None if the user gave none.

    Raises:
        HollyError: There are slices at each of several times, or several channels and none was chosen, or one too high.
    """
    channels, slices, times = (sizes.get(axis, 1) for axis in "CZT")
    notes = []
    if slices > 1 and times > 1:
        raise HollyError(
            f"{path}: has {slices} slices along z at each of {times} times; localisation needs one plane; save one slice"
        )
    lone = channels > MOST_CHANNELS and slices == times == 1
    if slices > 1:
        notes.append(f"Its {slices} slices along z were taken as frames, as the file has no other times.")
    if lone:
        notes.append(f"Its {channels} channels were taken as frames, as the file has no other axis.")
    elif channels > 1 and channel is None:
        raise HollyError(f"{path}: has {channels} channels; choose one of them with --channel 1 to {channels}")
    if channel is not None and not 1 <= channel <= (1 if lone else channels):
        raise HollyError(f"--channel {channel}: {path} has {1 if lone else channels}, numbered from 1")
    planes = np.arange(channels * slices * times, dtype=np.int64)
    if lone or channels == 1:
        return planes, notes
    notes.append(f"Channel {channel} of {channels} was read.")
    axes = list(sizes)
    faster = int(np.prod([sizes[axis] for axis in axes[: axes.index("C")]], dtype=np.int64))
    return planes[planes // faster % channels == (channel or 1) - 1], notes
