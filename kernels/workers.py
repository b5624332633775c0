"""Work on a CPU in threads of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")


def share_out(work: Callable[[Sequence[Item]], None], items: Sequence[Item], threads: int) -> None:
    """Call ``work`` on shares of the items, each in a thread of its own in which PyTorch's operations use no others.

    Where an operation takes less than a millisecond, PyTorch's own threads wait for each other longer than they work: beside
    other programs, two of them are slower than one. These wait once.
    """
    if min(threads, len(items)) < 2:
        work(items)
        return
    inference = torch.is_inference_mode_enabled()  # each thread has its own

    def alone(share: Sequence[Item]) -> None:
        torch.set_num_threads(1)
        try:
            with torch.inference_mode(inference):
                work(share)
        finally:
            torch.set_num_threads(threads)  # it is also what threads that begin later have

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(alone, [share for k in range(threads) if (share := items[k::threads])]))
