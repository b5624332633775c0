"""What the tests of the kernels share, those under the interpreter too."""

from collections.abc import Callable, Iterator
from functools import cache
from inspect import getmembers, signature
from typing import Any

import pytest
import torch

from holly_triton.kernels import splat, splat_emitters
from holly_triton.kernels.gaussians import reference
from holly_triton.kernels.launch import INTERPRETED

if INTERPRETED:
    from triton.language.core import is_builtin
    from triton.runtime import interpreter

    @cache
    def _builtins(part: Any) -> list[str]:
        return [name for name, member in getmembers(part) if is_builtin(member)]

    def _patch_builtin(part: Any, builder: Any, scope: Any) -> None:
        """What Triton's function of this name does, which looks for the names of the language again in every call of a function."""
        for name in _builtins(part):
            if is_builtin(member := getattr(part, name)):
                interpreter._patch_attr(part, name, member, builder, scope)

    @pytest.fixture(scope="session", autouse=True)
    def quick_interpreter() -> Iterator[None]:
        """The search takes a third of the time of these tests."""
        with pytest.MonkeyPatch.context() as patch:
            if "scope" in signature(interpreter._patch_builtin).parameters:  # older versions of Triton have none
                patch.setattr(interpreter, "_patch_builtin", _patch_builtin)
            yield


@pytest.fixture
def error_at_the_edge() -> Callable[[str, int, float, str], float]:
    """Relative L2 error, against float64, of one Gaussian near the right edge of a wide frame.

    Its position is a float32 number, so that the error is the drawing's alone.
    """

    def error(op: str, width: int, sigma: float, backend: str) -> float:
        x, shape = torch.tensor([width / 2 - 20.3, 0.4, 0.0]), (8, width)
        if op == "splat_emitters":
            emitters = x[None, :2], torch.tensor([0, 1])
            images = splat_emitters(*emitters, sigma, shape, backend=backend)
            wanted = reference.splat_emitters(emitters[0].double(), emitters[1], sigma, shape)
        else:
            pose = torch.eye(3)[None], torch.zeros(1, 2)
            images = splat(x[None], *pose, sigma, shape, backend=backend)
            wanted = reference.splat(x[None].double(), *(part.double() for part in pose), sigma, shape)
        return float((images.double() - wanted).norm() / wanted.norm())

    return error
