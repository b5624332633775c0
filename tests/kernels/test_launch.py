"""A launch after the first gives the binary what Triton gave it, on the device and for the sizes it was compiled for.

No GPU takes part: Triton compiles for one, and a driver that only keeps what it is given stands in for CUDA's.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch

triton = pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET"):
    pytest.skip("the interpreter launches nothing", allow_module_level=True)

from triton.backends.compiler import GPUTarget  # noqa: E402  (only where triton is)
from triton.runtime import driver  # noqa: E402

from holly_triton.kernels import launch  # noqa: E402
from holly_triton.kernels.gaussians.triton_loss import CONSTANTS, compare_pictures  # noqa: E402

GRID, ARGUMENTS = slice(0, 3), slice(9, None)
"""Of what a launcher is given: between them lie the stream, the binary and its hooks."""


class Driver:
    """Keeps what launchers are given."""

    def __init__(self) -> None:
        self.given: list[tuple[Any, ...]] = []
        self.loaded: list[int] = []
        self.device = 0
        self.utils = self

    def get_current_device(self) -> int:
        return self.device

    def get_current_stream(self, device: int) -> int:
        return device

    def get_current_target(self) -> Any:
        return GPUTarget("cuda", 90, 32)

    def get_device_properties(self, device: int) -> dict[str, int]:
        return {"max_shared_mem": 2**18}

    def load_binary(self, name: str, binary: bytes, shared: int, device: int) -> tuple[int, ...]:
        self.loaded.append(device)
        return 0, 0, 32, 0, 1024

    def launcher_cls(self, source: Any, metadata: Any) -> Any:
        return lambda *given: self.given.append(given)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    found = Driver()
    monkeypatch.setattr(driver, "_active", found)
    monkeypatch.setattr(launch, "_compiled", {})
    compare_pictures.device_caches.clear()
    yield found
    compare_pictures.device_caches.clear()


def run(recorder: Driver, pixels: int, device: int = 0) -> tuple[Any, ...]:
    recorder.device = device
    parts = [torch.zeros(4) for _ in range(4)]
    constants = {name: value for name, value in CONSTANTS.items() if name != "warps"}
    arguments = (*parts, pixels, 100.0, 1e-4, 1)
    launch.run_compiled(device, compare_pictures, 7, arguments, CONSTANTS["warps"], constants)
    given = recorder.given[-1]
    assert given[GRID] == (7, 1, 1)
    assert all(a is b or a == b for a, b in zip(given[ARGUMENTS], (*arguments, *constants.values()), strict=True))
    return given


def test_the_binary_is_launched_as_triton_launches_it(recorder: Driver) -> None:
    first, second = run(recorder, 100), run(recorder, 17)
    assert [type(part) for part in first] == [type(part) for part in second]
    assert first[3:6] == second[3:6] and len(recorder.loaded) == 1


def test_another_device_and_a_number_beyond_int32_have_binaries_of_their_own(recorder: Driver) -> None:
    for device in (0, 1):
        for pixels in (100, 2**31, 17, 2**31 + 1):
            run(recorder, pixels, device)
    assert recorder.loaded == [0, 0, 1, 1]
