"""Distributed runs: all code for several processes that torchrun starts; a single process is the case of one rank.

Every rank holds the data, the cloud, the network and every picture's pose, and draws the same random numbers. Of each
batch it works on its share. Gradients are summed and poses collected before anything moves, so states never differ.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .errors import HollyError

PATIENCE = timedelta(minutes=10)
"""Seconds to wait for a process that does not respond. Processes wait while one writes a report, for a minute or two."""


def launched() -> bool:
    """Whether torchrun started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun started, if it did; all but the first then report only their errors.

    Raises:
        HollyError: Inside, where another process ends or doesn't answer.
    """
    if not launched():
        yield
        return
    # Torch's optimisers import this, and if it finds a process group then, it keeps it for good: its threads would outlive
    # the interpreter and abort one process in a few at the very end.
    import torch.distributed.nn.functional

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
    if leads():
        yield
    else:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield
    sys.stdout.flush()
    wait()  # torchrun ends all others when one has ended with a code of its own
    # Not where an error was raised: others may be gone.
    dist.destroy_process_group()


def size() -> int:
    """How many processes work on this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def leads() -> bool:
    """Whether this is the one that writes files."""
    return rank() == 0


def rank() -> int:
    """Which of these processes this is, from 0."""
    return dist.get_rank() if size() > 1 else 0


def share(rows: Tensor) -> Tensor:
    """This rank's rows ``[b, ...]``, every K-th of a whole batch's ``[B, ...]`` for K ranks; none where ranks outnumber rows."""
    return rows if size() == 1 else rows[rank() :: size()].contiguous()


def gather(part: Tensor, count: int) -> Tensor:
    """The inverse of ``share``: what every rank found for its part, for a whole batch of so many rows."""
    if size() == 1:
        return part
    padded = part.new_zeros(-(-count // size()), *part.shape[1:])
    padded[: len(part)] = part
    return _from_all(padded).transpose(0, 1).flatten(0, 1)[:count]


def joined_rows(part: Tensor) -> Tensor:
    """The rows ``[b, ...]`` of all ranks, in the order of the ranks; each may have another number of them."""
    if size() == 1:
        return part
    counts = _from_all(torch.tensor([len(part)])).flatten().tolist()
    padded = part.new_zeros(max(counts), *part.shape[1:])
    padded[: len(part)] = part
    return torch.cat([rows[:count] for rows, count in zip(_from_all(padded), counts, strict=True)])


@torch.no_grad()
def sum_(tensors: Iterable[Tensor]) -> None:
    """Replace tensors of one type by their sums over the ranks, added in the order of the ranks."""
    tensors = list(tensors)
    if size() == 1 or not tensors:
        return
    total = _from_all(torch.cat([tensor.flatten() for tensor in tensors])).sum(0)
    for tensor, part in zip(tensors, torch.split(total, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def sum_gradients(optimiser: torch.optim.Optimizer) -> None:
    """Make the gradients of every rank's share that of the whole batch."""
    parameters = (parameter for group in optimiser.param_groups for parameter in group["params"])
    sum_(parameter.grad for parameter in parameters if parameter.grad is not None)


def summed(number: float) -> float:
    """The sum of what the ranks say."""
    told = torch.tensor([number], dtype=torch.float64)
    sum_([told])
    return float(told)


def wait() -> None:
    """Until all ranks have come here."""
    summed(0)


def with_common_norm(model: nn.Module) -> nn.Module:
    """A network whose batch norm is over the whole batch; PyTorch can do that on GPUs only."""
    on_gpu = any(parameter.is_cuda for parameter in model.parameters())
    if size() == 1 or not on_gpu:
        return model
    synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return synchronised


def average_statistics(model: nn.Module) -> None:
    """Where batch norm is over each rank's share, keep the mean of what they saw, so that the networks stay alike."""
    if size() > 1 and model.training:
        statistics = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        sum_(statistics)
        for buffer in statistics:
            buffer /= size()


def _from_all(tensor: Tensor) -> Tensor:
    """The tensor ``[...]`` of each rank, in their order: ``[size, ...]``."""
    every = tensor.new_empty(size(), *tensor.shape)
    try:
        dist.all_gather(list(every), tensor.contiguous())
    except RuntimeError as error:
        raise HollyError(
            "torchrun: another process of this run ended, or does not respond; correct the error that it reported, then continue "
            "with torchrun and --resume"
        ) from error
    return every
