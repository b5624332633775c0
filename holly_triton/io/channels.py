"""The channels of the points of a cloud: names, colours, and how a PLY file states them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from holly_triton.core.types import Array

CHANNEL_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Colours of channels, distinguishable with any colour vision (Okabe & Ito 2008)."""
LONGEST_NAME = 100
"""Characters of a channel's name that are written."""
COMMENT = re.compile(r'channel (\d{1,3}) (".*")')
"""The comment of a PLY file that names a channel, as a string of JSON."""


@dataclass(frozen=True)
class PointChannels:
    """The channel of each point of a cloud.

    Attributes:
        of: Place among ``names`` ``[N]`` int64.
        names: Of all channels.
    """

    of: Array
    names: tuple[str, ...]

    @staticmethod
    def of_sizes(sizes: Sequence[int], names: Sequence[str]) -> "PointChannels":
        """Points that lie channel by channel."""
        return PointChannels(np.repeat(np.arange(len(sizes)), sizes), tuple(names))

    @staticmethod
    def of_names(words: Sequence[str]) -> "PointChannels":
        """The channels of points ``[N]`` by their names, in alphabetical order."""
        names, of = np.unique(np.asarray(words, dtype=str), return_inverse=True)
        return PointChannels(of, tuple(names.tolist()))

    @staticmethod
    def of_ply(of: Array, comments: Sequence[str]) -> "PointChannels | None":
        """What ``comments`` state; None where they do not name the channel of each point ``[N]``."""
        found = {int(match[1]): json.loads(match[2]) for comment in comments if (match := COMMENT.fullmatch(comment))}
        if sorted(found) != [*range(len(found))] or not np.isin(of, [*found]).all():
            return None
        return PointChannels(of.astype(np.int64), tuple(str(found[number]) for number in range(len(found))))

    @property
    def comments(self) -> list[str]:
        """The names as comments of a PLY file, in ASCII."""
        return [f"channel {number} {json.dumps(name[:LONGEST_NAME])}" for number, name in enumerate(self.names)]

    @property
    def cells(self) -> Array:
        """The channel of each point as a cell of a CSV table ``[N]``."""
        names = ['"' + " ".join(name.split()).replace('"', '""') + '"' for name in self.names]
        return np.array(names, dtype=object)[self.of]

    @property
    def colours(self) -> Array:
        """Red, green and blue of each point ``[N, 3]`` uint8."""
        table = [tuple(bytes.fromhex(colour[1:])) for colour in CHANNEL_COLOURS]
        colours: Array = np.array(table, np.uint8)[self.of % len(table)]
        return colours

    def named(self, name: str) -> Array:
        """Whether each point is of a channel ``[N]``."""
        return np.asarray(self.of == self.names.index(name))
