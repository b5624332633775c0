"""Checks of the arguments of every public operation, and their messages.

Shape, dtype and device are always checked, which costs nothing. Values of tensors (finite, sigma above 0) are
checked only on request, since reading them back stalls a GPU.
"""

import math
from functools import cache
from importlib.util import find_spec
from numbers import Integral, Real
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Backend = Literal["triton", "separable"]
Precision = Literal["tf32", "tf32x3", "bf16x3", "ieee"]
Sigma = float | Tensor
Shape = tuple[int, int]

BACKENDS: tuple[str, ...] = ("triton", "separable")
PRECISIONS: tuple[str, ...] = ("tf32", "tf32x3", "bf16x3", "ieee")
FLOATS = (torch.float32, torch.float64)
MOST = 2**30
"""Largest number of points of a cloud, and of pixels of a picture whose rows are padded to multiples of 4: within
these the kernels use int32 indices."""


class Cloud(NamedTuple):
    """A cloud and its poses, checked against each other."""

    points: Tensor  # [N, 3]
    rotation: Tensor  # [B, 3, 3]
    shift: Tensor  # [B, 2]
    sigma: Tensor  # [B] or [1]
    weights: Tensor | None  # [N]
    point_sigma: Tensor | None  # [N, 2]


def check_tensor(name: str, value: object, shape: str, like: Tensor | None = None, **sizes: int) -> Tensor:
    """``value`` as a float tensor of a shape such as ``"N 3"``; letters in ``sizes`` must have that size.

    Raises:
        TypeError: not a tensor, not float32 or float64, or not the dtype of ``like``.
        ValueError: another shape, or another device than that of ``like``.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor [{', '.join(shape.split())}], got {type(value).__name__}")
    if value.dtype not in FLOATS:
        raise TypeError(f"{name} must be float32 or float64, got {value.dtype}")
    axes, given = _axes(shape), value.shape
    if len(given) != len(axes) or any(
        sizes.get(axis, least) not in (None, size) for (axis, least), size in zip(axes, given, strict=True)
    ):
        known = ", ".join(f"{axis} = {sizes[axis]}" for axis, _ in axes if axis in sizes)
        named = ", ".join(axis for axis, _ in axes)
        raise ValueError(f"{name} must be [{named}]{' with ' + known if known else ''}, got {list(given)}")
    if like is not None and value.dtype != like.dtype:
        raise TypeError(f"{name} must be {like.dtype} as the other tensors are, got {value.dtype}")
    if like is not None and value.device != like.device:
        raise ValueError(f"{name} must be on {like.device} as the other tensors are, got {value.device}")
    return value


@cache
def _axes(shape: str) -> tuple[tuple[str, int | None], ...]:
    """The axes of a shape such as ``"N 3"``: their names, and the size of those that are numbers."""
    return tuple((axis, int(axis) if axis.isdigit() else None) for axis in shape.split())


def check_sigma(sigma: object, like: Tensor, images: int) -> Tensor:
    """A width in pixels, a number or ``[B]``, as a tensor ``[B]`` or ``[1]``."""
    if isinstance(sigma, Tensor) and sigma.ndim:
        return check_tensor("sigma", sigma, "B", like, B=images)
    return check_number_sigma(sigma, like, "[B]").reshape(1)


def check_number_sigma(sigma: object, like: Tensor, other: str) -> Tensor:
    """One width for all, a number or a tensor without axes, as such a tensor; ``other`` names the alternative in messages."""
    if isinstance(sigma, Tensor):
        return check_tensor("sigma", sigma, "", like)
    if not isinstance(sigma, Real):
        raise TypeError(f"sigma must be a number or a tensor {other}, got {type(sigma).__name__}")
    return like.new_full((), check_positive("sigma", sigma))


def check_positive(name: str, value: object) -> float:
    """A number above 0, as a float. It is not a tensor, so reading it costs nothing."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be above 0 and finite, got {value}")
    return number


def check_finite(name: str, value: object) -> float:
    """A finite number, as a float."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    return float(value)


def check_not_negative(name: str, value: object) -> float:
    """A number of at least 0, finite, as a float."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be finite and not below 0, got {value}")
    return number


def check_shape(shape: object) -> Shape:
    """A picture's (H, W), both at least 1."""
    pair = isinstance(shape, tuple | list) and len(shape) == 2
    if not (pair and all(isinstance(n, Integral) and int(n) > 0 for n in shape)):  # type: ignore[attr-defined]
        raise ValueError(f"shape must be (H, W), two whole numbers above 0, got {shape!r}")
    height, width = (int(n) for n in shape)  # type: ignore[attr-defined]
    if padded_pixels(height, width) > MOST:
        raise ValueError(f"shape must be of at most {MOST} pixels in rows of a multiple of 4, got {shape!r}")
    return height, width


def check_window(window: object) -> int:
    """Side of a window about a pixel: an odd number of at most 99 pixels."""
    side = int(window) if isinstance(window, Integral) else 0
    if not 0 < side < 100 or side % 2 == 0:
        raise ValueError(f"window must be an odd number of pixels from 1 to 99, got {window!r}")
    return side


def check_pictures(name: str, value: object, like: Tensor | None = None, **sizes: int) -> Tensor:
    """Pictures ``[B, H, W]`` of at least one pixel each."""
    images = check_tensor(name, value, "B H W", like, **sizes)
    if not 0 < padded_pixels(*images.shape[1:]) <= MOST:
        raise ValueError(
            f"{name} must have from 1 to {MOST} pixels a picture in rows of a multiple of 4, got {list(images.shape)}"
        )
    return images


def padded_pixels(height: int, width: int) -> int:
    """Pixels of a picture in the padded layout of the kernels."""
    return height * 4 * -(-width // 4)


def check_choice(name: str, value: str | None, known: tuple[str, ...]) -> None:
    """One of the known words, or None for the default."""
    if value is not None and value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def choose_backend(backend: str | None, like: Tensor) -> str:
    """The requested backend, if it supports such tensors; by default triton for float32 on CUDA, else separable.

    On AMD's devices, which PyTorch calls CUDA too, it is separable: the kernels are compiled and inspected for
    NVIDIA's, and HIP has no product in tf32x3.

    Raises:
        TypeError: triton was requested with another dtype than float32.
        ValueError: The word is unknown, or triton was requested where it is not installed, on a device of AMD, or with
            tensors that are not on CUDA.
    """
    check_choice("backend", backend, BACKENDS)
    if backend is None:
        nvidia = like.is_cuda and not torch.version.hip
        return "triton" if nvidia and like.dtype == torch.float32 and _has_triton() else "separable"
    if backend == "separable":
        return backend
    if like.dtype != torch.float32:
        raise TypeError(f"backend 'triton' takes float32, got {like.dtype}; 'separable' takes float64 too")
    if not _has_triton():
        raise ValueError("backend 'triton' needs the package triton, which is not installed; 'separable' needs nothing")
    if torch.version.hip:
        raise ValueError("backend 'triton' takes NVIDIA's devices, and this PyTorch is ROCm's; 'separable' takes any")
    from .launch import INTERPRETED

    if not (like.is_cuda or INTERPRETED):
        raise ValueError(
            f"backend 'triton' takes CUDA tensors, got {like.device}; with TRITON_INTERPRET=1 set before "
            "the first use it takes CPU tensors, slowly"
        )
    return backend


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def check_values(**tensors: Tensor | None) -> None:
    """Check that every value is finite and every sigma above 0. This waits for the device."""
    for name, value in tensors.items():
        if value is None:
            continue
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} must be finite, got NaN or infinity")
        if name == "sigma" and not bool((value > 0).all()):
            raise ValueError(f"sigma must be above 0, got {float(value.min())}")
        if name == "point_sigma" and not bool((value >= 0).all()):
            raise ValueError(f"point_sigma must not be below 0, got {float(value.min())}")


def refuse_gradients(operation: str, **tensors: Tensor | None) -> None:
    """Refuse arguments that require a gradient, which would silently not reach them."""
    if not torch.is_grad_enabled():
        return
    for name, value in tensors.items():
        if value is not None and value.requires_grad:
            raise ValueError(f"{name} requires a gradient, but {operation} has none: give {name}.detach()")


def check_offsets(offsets: object) -> Tensor:
    """Where the emitters of each picture begin and end: ``[B + 1]`` int64; their values are not read."""
    if not isinstance(offsets, Tensor) or offsets.dtype != torch.int64:
        raise TypeError(
            f"offsets must be an int64 tensor [B + 1], got {getattr(offsets, 'dtype', type(offsets).__name__)}"
        )
    if offsets.ndim != 1 or len(offsets) < 1:
        raise ValueError(f"offsets must be [B + 1], got {list(offsets.shape)}")
    return offsets


def read_offsets(offsets: Tensor, emitters: int) -> list[int]:
    """Offsets as numbers, checked. This waits for the device."""
    bounds: list[int] = offsets.tolist()
    if bounds[0] != 0 or bounds[-1] != emitters or bounds != sorted(bounds):
        raise ValueError(f"offsets must rise from 0 to E = {emitters}, got {bounds[0]} to {bounds[-1]}")
    return bounds


def check_cloud(
    points: object, rotation: object, shift: object, sigma: object, weights: object, point_sigma: object
) -> Cloud:
    """The parts of a cloud, checked against each other; every point's own widths come back as ``[N, 2]``."""
    cloud = check_tensor("points", points, "N 3")
    count = cloud.shape[0]
    if count > MOST:
        raise ValueError(f"points must be at most {MOST}, got {count}")
    turned = check_tensor("rotation", rotation, "B 3 3", cloud)
    images = turned.shape[0]
    moved = check_tensor("shift", shift, "B 2", cloud, B=images)
    width = check_sigma(sigma, cloud, images)
    weighted = None if weights is None else check_tensor("weights", weights, "N", cloud, N=count)
    if isinstance(point_sigma, Tensor) and point_sigma.ndim == 1:
        point_sigma = check_tensor("point_sigma", point_sigma, "N", cloud, N=count)[:, None].expand(count, 2)
    own = None if point_sigma is None else check_tensor("point_sigma", point_sigma, "N 2", cloud, N=count)
    return Cloud(cloud, turned, moved, width, weighted, own)
