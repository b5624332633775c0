"""The timed cases under pytest-benchmark, which keeps and compares runs; not part of the default tests.

pytest -n 0 --benchmark-enable tests/benchmarks/bench_kernels.py --benchmark-group-by=param:case
pytest -n 0 --benchmark-enable tests/benchmarks/bench_kernels.py -k "separable and 1000pt" --benchmark-autosave --benchmark-compare
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from holly_triton.harness.baselines import forward, forward_backward
from holly_triton.harness.cases import OPS, Case, make_inputs, timed_cases
from holly_triton.harness.command import dense_pictures, pictures_at_once, resolve_backends, resolve_device
from holly_triton.harness.compare import compare, validation_inputs
from holly_triton.harness.ops.gaussians import GaussianCase

DEVICE = resolve_device("auto")
POINTS = (350, 1000) if DEVICE == "cpu" else (350, 1000, 10_000, 100_000)
PRECISIONS = ("ieee",) if DEVICE == "cpu" else ("tf32", "tf32x3", "bf16x3", "ieee")
CASES = [case for precision in PRECISIONS for case in timed_cases(POINTS, 32, 128, 1.41, precision, OPS)]
# What a training step on small pictures draws, and what a pose search draws.
CASES += [
    GaussianCase(op, points, images, size, size, 2.0, precision)
    for precision in PRECISIONS
    for op, points, images, size in (
        ("reconstruction_loss", 350, 256, 16),
        ("reconstruction_loss", 350, 256, 32),
        ("reconstruction_loss", 350, 256, 64),
        ("splat", 350, 3072, 16),
        ("splat", 350, 3072, 32),
    )
]


@pytest.mark.parametrize("backend", resolve_backends([], DEVICE))
@pytest.mark.parametrize("direction", ["forward", "forward_backward"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_speed(benchmark: BenchmarkFixture, case: Case, direction: str, backend: str) -> None:
    if direction == "forward_backward" and case.op in (
        "splat_emitters",
        "pose_scores",
        "splat_psf",
        "fourier_correlation",
    ):
        pytest.skip("it has no gradient")
    images = dense_pictures(case, DEVICE) if backend == "dense" else case.images
    if pictures_at_once(case, backend, images, DEVICE) < images:
        pytest.skip("does not fit in memory")
    comparison = compare(case, backend, validation_inputs(case, 0, 1, DEVICE), DEVICE)
    assert not comparison.wrong, comparison
    inputs = make_inputs(case).pictures(slice(0, images)).to(torch.float32, DEVICE)
    run = forward if direction == "forward" else forward_backward

    def call() -> None:
        run(case, backend, inputs)
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    benchmark.extra_info["images"] = images
    benchmark.pedantic(call, warmup_rounds=1, rounds=5)
