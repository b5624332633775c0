"""A network over frames of any size: padded to its stride, and in tiles where they are too large for the memory."""

from collections.abc import Iterator

from torch import Tensor

from holly_triton.frames.config.network import MOST_TILE_PX
from holly_triton.frames.network import AnyNetwork
from holly_triton.frames.network.inputs import padded


def in_tiles(network: AnyNetwork, inputs: Tensor, most: int = MOST_TILE_PX) -> Tensor:
    """Outputs ``[B, C, c H, c W]`` of a network that answers with c x c cells a pixel; the same whatever the tiles.

    Tiles begin at multiples of the network's stride and overlap by all that an output depends on.

    Args:
        network: The network.
        inputs: ``[B, T, 3, H, W]``.
        most: Largest side of a tile, pixels; frames up to that size are one tile.
    """
    height, width = inputs.shape[3:]
    whole = padded(inputs, network.stride)
    if max(whole.shape[3:]) <= most:
        once: Tensor = network(whole)
        return once[..., : network.cells * height, : network.cells * width]
    cells, output = network.cells, inputs.new_empty(0)
    for rows, seen_rows in _spans(whole.shape[3], most, network):
        for columns, seen_columns in _spans(whole.shape[4], most, network):
            part = network(whole[..., seen_rows, seen_columns])
            if not output.numel():
                output = part.new_empty(len(whole), part.shape[1], cells * whole.shape[3], cells * whole.shape[4])
            inner = (_cells(span, seen.start, cells) for span, seen in ((rows, seen_rows), (columns, seen_columns)))
            output[(..., _cells(rows, 0, cells), _cells(columns, 0, cells))] = part[(..., *inner)]
    return output[..., : cells * height, : cells * width]


def _spans(length: int, most: int, network: AnyNetwork) -> Iterator[tuple[slice, slice]]:
    """Parts of an axis that do not overlap, each with what a network has to see for it."""
    step = (
        length if length <= most else max(network.stride, (most - 2 * network.reach) // network.stride * network.stride)
    )
    for first in range(0, length, step):
        last = min(length, first + step)
        yield slice(first, last), slice(max(0, first - network.reach), min(length, last + network.reach))


def _cells(span: slice, origin: int, cells: int) -> slice:
    return slice(cells * (span.start - origin), cells * (span.stop - origin))
