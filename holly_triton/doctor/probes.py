"""Tiny real runs, each in a process of its own: ``python -m holly_triton.doctor.probes NAME`` prints its result as JSON."""

import json
import sys
from collections.abc import Callable
from typing import Any

Found = dict[str, Any]

TOLERANCE = 1e-4
"""Largest relative difference of a picture, or of a gradient, from the dense reference in float64. float32 and tf32x3 stay
below 1e-5; a broken installation is off by far more."""
POINTS, SIDE, SIGMA = 64, 32, 1.5
"""Points of the cloud that is drawn, and pixels of its picture."""


def torch() -> Found:
    """PyTorch: its version and devices, and its kernels on each; with a GPU Triton's kernels too."""
    import torch

    found: Found = {"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip, "devices": []}
    found["errors"] = {"cpu": _difference("cpu", "separable")}
    if torch.cuda.is_available():
        found["devices"] = [_device(index) for index in range(torch.cuda.device_count())]
        found["errors"]["cuda"] = _difference("cuda", "separable")
        if _installed("triton"):
            found["errors"]["triton"] = _attempt(lambda: _difference("cuda", "triton"))
    return found


def interpreter() -> Found:
    """Triton's kernels on the processor, interpreted: the caller sets TRITON_INTERPRET."""
    return {"errors": {"triton": _difference("cpu", "triton")}}


def drawing() -> Found:
    """A picture with matplotlib and, where pyvista is installed, one in 3D without a window."""
    found: Found = {"2D": _attempt(_plot)}
    if _installed("pyvista"):
        found["3D"] = _attempt(_render)
    return found


def _device(index: int) -> Found:
    import torch

    properties = torch.cuda.get_device_properties(index)
    return {"name": properties.name, "bytes": properties.total_memory}


def _difference(device: str, backend: str) -> float:
    """Largest relative difference (root of sums of squares) of a drawn picture and its gradient from the reference's."""
    import torch

    from holly_triton.kernels import splat
    from holly_triton.kernels.gaussians import reference

    generator = torch.Generator().manual_seed(0)
    points = (SIDE / 8) * torch.randn(POINTS, 3, generator=generator)
    target = torch.randn(1, SIDE, SIDE, generator=generator)
    results = []
    for where, dtype, draw in (("cpu", torch.float64, reference.splat), (device, torch.float32, splat)):
        chosen: Found = {"backend": backend} if draw is splat else {}
        cloud = points.to(where, dtype).requires_grad_()
        pose = torch.eye(3, device=where, dtype=dtype)[None], torch.zeros(1, 2, device=where, dtype=dtype)
        image = draw(cloud, *pose, SIGMA, (SIDE, SIDE), **chosen)
        (gradient,) = torch.autograd.grad((image * target.to(where, dtype)).sum(), cloud)
        results.append([part.detach().cpu().double() for part in (image, gradient)])
    return max(float((own - true).norm() / true.norm()) for true, own in zip(*results, strict=True))


def _plot() -> str:
    import io

    from matplotlib import __version__
    from matplotlib.figure import Figure

    file = io.BytesIO()
    figure = Figure((1, 1))
    figure.subplots().plot([0, 1])
    figure.savefig(file, format="png")
    return f"matplotlib {__version__}"


def _render() -> str:
    import numpy as np

    from holly_triton.core.optional import require

    pyvista = require("pyvista", "drawing in 3D")
    plotter = pyvista.Plotter(off_screen=True, window_size=[32, 32])
    plotter.add_mesh(pyvista.Sphere(theta_resolution=8, phi_resolution=8), color="black")
    plotter.set_background("white")
    picture = np.asarray(plotter.screenshot(None, return_img=True))
    if np.ptp(picture) < 100:
        raise RuntimeError("the picture of a black sphere on white is of one colour")
    return f"pyvista {pyvista.__version__}, {plotter.render_window.GetClassName()}"


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _attempt(work: Callable[[], Any]) -> Any:
    """What some work returns, or the error that it ended with: a broken library raises anything."""
    try:
        return work()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


PROBES: dict[str, Callable[[], Found]] = {"torch": torch, "interpreter": interpreter, "drawing": drawing}


if __name__ == "__main__":
    print(json.dumps(_attempt(PROBES[sys.argv[1]])))
