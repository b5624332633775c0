"""The harness: what it measures, what it refuses, and what it writes down."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from holly_triton.core import origin
from holly_triton.core.errors import HollyError
from holly_triton.harness import command, floor, measure, records, report, table
from holly_triton.harness.baselines import forward_backward
from holly_triton.harness.cases import OPS, OPS_OF_SIGMA, Case, make_inputs, timed_cases
from holly_triton.harness.compare import Difference, compare, oracle, validation_inputs
from holly_triton.harness.ops import OPERATIONS
from holly_triton.harness.ops.frames import OPERATIONS as FRAME_OPERATIONS
from holly_triton.harness.ops.frames import FrameCase
from holly_triton.harness.ops.frames_baselines import ORACLE_VALUES
from holly_triton.harness.ops.gaussians import OPERATIONS as GAUSSIAN_OPERATIONS
from holly_triton.harness.ops.gaussians import GaussianCase
from holly_triton.harness.ops.gaussians_baselines import away_from_ties
from holly_triton.harness.ops.poses import PoseCase
from holly_triton.harness.ops.poses_baselines import ORACLE_VALUES as POSES_VALUES
from holly_triton.harness.ops.volumes import VolumeCase
from holly_triton.kernels.gaussians import reference

FORWARD_ONLY = ("splat_emitters", "pose_scores", "splat_psf", "fourier_correlation")
SMALL: dict[str, Any] = {"images": 3, "size": 16, "sigma_px": 1.4, "precision": "tf32x3"}


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SECONDS", 0.0)


def run_bench(tmp_path: Path, backends: list[str] | None = None, **changed: Any) -> int:
    options = {"points": [20], **SMALL, **changed}
    return command.bench(
        backends=backends or [],
        device="cpu",
        json_path=tmp_path / "out.json",
        plot_path=tmp_path / "out.png",
        **options,
    )


def test_bench_prints_a_table_and_writes_records_and_a_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "peak_mib", lambda *_: 1.5)
    assert run_bench(tmp_path) == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert {(r["op"], r["backend"]) for r in written} == {
        (op, backend) for op in OPS for backend in ("separable", "naive", "dense")
    }
    for record in written:
        assert tuple(record) == records.FIELDS
        assert record["status"] == "ok" and record["precision"] == "ieee"
        assert record["points"] == (0 if record["op"] == "normalised_masked_l1" else 20)
        assert record["images"] == 3
        assert record["forward_ms_p20"] <= record["forward_ms"] <= record["forward_ms_p80"]
        assert (record["forward_backward_ms"] is None) == (record["op"] in FORWARD_ONLY)
        assert record["error_forward"] < 3e-5 and record["peak_mib"] == 1.5 and record["commit"]
    assert (tmp_path / "out.png").stat().st_size > 1000
    printed = capsys.readouterr().out
    for word in (*OPS, "separable", "naive", "dense", "x naive", "fwd+bwd ms"):
        assert word in printed


def spoil_naive_splat(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    spoilt = dataclasses.replace(OPERATIONS["splat"], naive=lambda *a, **k: reference.splat(*a, **k) * factor)
    monkeypatch.setitem(OPERATIONS, "splat", spoilt)


@pytest.mark.parametrize("factor", [1.001, float("nan")])
def test_bench_records_what_is_wrong_does_not_time_it_and_goes_on(
    factor: float, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "peak_mib", lambda *_: 1.5)
    spoil_naive_splat(monkeypatch, factor)
    assert run_bench(tmp_path, ["naive", "separable"]) == 1
    found = {(r["op"], r["backend"]): r for r in json.loads((tmp_path / "out.json").read_text(), parse_constant=fail)}
    wrong = found.pop(("splat", "naive"))
    assert wrong["status"] == "wrong" and wrong["forward_ms"] is None and wrong["peak_mib"] is None
    assert wrong["error_forward"] == (pytest.approx(1e-3, rel=0.1) if factor == factor else None)
    assert len(found) == 2 * len(OPS) - 1 and {r["status"] for r in found.values()} == {"ok"}
    captured = capsys.readouterr()
    assert "wrong" in captured.out and len(captured.err.splitlines()) == 1
    assert "splat-3x20pt-16x16px-sigma1.4-ieee, naive: differs from float64 in the result" in captured.err


def fail(name: str) -> None:
    pytest.fail(f"{name} is no JSON")


def test_what_raises_is_recorded_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(**_: Any) -> None:
        raise RuntimeError("illegal\nmemory access")

    monkeypatch.setattr(command, "peak_mib", lambda *_: 1.5)
    monkeypatch.setitem(OPERATIONS, "splat", dataclasses.replace(OPERATIONS["splat"], naive=crash))
    assert run_bench(tmp_path, ["naive"]) == 1
    found = {r["op"]: r for r in json.loads((tmp_path / "out.json").read_text())}
    assert found["splat"]["status"] == "failed" and found["reconstruction_loss"]["status"] == "ok"
    assert "RuntimeError: illegal memory access" in capsys.readouterr().err


def test_a_report_of_what_is_wrong_is_written_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_naive_splat(monkeypatch, 1.001)
    monkeypatch.setattr(report, "commit", lambda: "0" * 40)  # an installed wheel is no checkout
    monkeypatch.setattr(command, "peak_mib", lambda *_: 1.5)
    monkeypatch.setattr(report, "timed_cases", lambda points, *_: timed_cases(points, 3, 16, 1.4, "ieee", ["splat"]))
    assert report.main(["--measure", "--points", "20", "--reports", str(tmp_path), "--device", "cpu"]) == 1
    assert "naive: differs from float64" in capsys.readouterr().err
    assert "wrong, not timed" in (tmp_path / "kernels_cpu.md").read_text()


def test_the_floor_of_a_device_is_that_of_its_own_rates() -> None:
    case = GaussianCase("reconstruction_loss", 1000, 32, precision="tf32x3")
    sxm, pcie = (floor.at_rates(case, f"NVIDIA H100 {form}") for form in ("80GB HBM3", "PCIe"))
    # DESIGN section 3: 6 B N H W flop at 130 TFLOP/s, three products each.
    assert sxm.forward_backward_ms == pytest.approx(1e3 * 6 * 32 * 1000 * 128**2 / 130e12, rel=0.01)
    assert sxm == floor.at_rates(case, "NVIDIA H200") and pcie.forward_ms > sxm.forward_ms
    for name in ("NVIDIA GH200 480GB", "NVIDIA H100 80GB HBM3 MIG 1g.10gb"):
        assert floor.at_rates(case, name) == floor.Floor(None, None)
    emitters = floor.at_rates(GaussianCase("splat_emitters", 1000), "NVIDIA H200")
    assert emitters.forward_ms and emitters.forward_backward_ms is None


def test_an_unknown_device_has_no_floor_and_bench_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA T4")
    assert "NVIDIA T4" in (floor.unknown("cuda") or "") and floor.unknown("cpu") is None


def test_what_does_not_fit_in_memory_is_recorded_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "peak_mib", lambda *_: None)
    monkeypatch.setattr(command, "available_bytes", lambda _: 300_000.0)
    assert run_bench(tmp_path, ["separable", "dense"]) == 0
    found = {(r["op"], r["backend"]): r for r in json.loads((tmp_path / "out.json").read_text())}
    lost = found["splat", "dense"]
    assert lost["status"] == "oom" and lost["forward_ms"] is None and lost["error_forward"] is None
    assert found["splat", "separable"]["status"] == "ok"
    assert "no memory" in capsys.readouterr().out


def test_naive_goes_in_groups_of_pictures_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    case = timed_cases((20,), 3, 16, 1.4, "ieee")[0]
    one = command.needed_bytes(case, "naive", 1)
    monkeypatch.setattr(command, "available_bytes", lambda _: 4.5 * one)
    assert command.pictures_at_once(case, "naive", 3, "cpu") == 2
    assert command.pictures_at_once(case, "separable", 3, "cpu") == 3
    monkeypatch.setattr(command, "available_bytes", lambda _: 1.5 * one)
    assert command.pictures_at_once(case, "naive", 3, "cpu") == 0


@pytest.mark.parametrize(("points", "pictures"), [(0, 32), (350, 2), (1000, 1), (10_000, 1)])
def test_dense_is_timed_on_few_pictures(points: int, pictures: int) -> None:
    assert command.dense_pictures(GaussianCase("splat", points), "cpu") == pictures


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"device": "cuda"}, "PyTorch sees no CUDA device"),
        ({"backends": ["triton"]}, "backend triton: on cpu there are separable, naive, dense"),
        (
            {"json_path": Path("/no/such/out.json")},
            "/no/such/out.json: cannot be written, there is no folder /no/such",
        ),
        ({"json_path": Path("/")}, "/: cannot be written, it is a folder"),
        ({"plot_path": Path("/plot.xyz")}, "/plot.xyz: a plot's name ends in .png, .pdf, .svg"),
        ({"sigma_px": float("inf")}, "--sigma inf: must be a number of pixels above 0"),
        ({"tune": True}, "block sizes are those of a GPU"),
    ],
    ids=["device", "backend", "folder", "a-folder", "plot-format", "sigma", "tune"],
)
def test_bench_says_what_is_wrong_before_it_starts(changed: dict[str, Any], message: str) -> None:
    if torch.cuda.is_available() and "device" in changed:
        pytest.skip("there is a CUDA device")
    options: dict[str, Any] = {
        "backends": [],
        "device": "cpu",
        "json_path": None,
        "plot_path": None,
        **SMALL,
        **changed,
    }
    with pytest.raises(HollyError, match=message):
        command.bench([20], **options)


def test_peak_memory_of_a_process_counts_what_the_call_takes_and_no_more() -> None:
    case = GaussianCase("reconstruction_loss", points=2000, images=8, height=64, width=64)
    naive = measure.peak_mib(case, "naive", 8, 8, "cpu")
    if naive is None:
        pytest.skip("the system doesn't say")
    gaussians = 8 * 2000 * 64 * 4 / 2**20  # along one axis: 3.9 MiB
    assert 4 * gaussians < naive < 30 * gaussians


def test_separable_stays_under_256_mib_at_100_000_points() -> None:
    case = GaussianCase("reconstruction_loss", points=100_000, images=4)
    peak = measure.peak_mib(case, "separable", 4, 4, "cpu")
    if peak is None:
        pytest.skip("the system doesn't say")
    assert peak < 256


def test_times_are_ordered_quantiles() -> None:
    timing = measure.time_call(lambda: None, "cpu")
    assert 0 <= timing.p20 <= timing.median <= timing.p80


def test_the_floor_of_a_cpu_is_measured_and_there_is_none_for_pictures_alone() -> None:
    floors = {case.op: floor.floor_of(case, "cpu") for case in timed_cases((50,), 4, 16, 1.4, "ieee")}
    for op in "splat", "emitter_nll":
        forward, both = floors[op]
        assert forward is not None and both is not None and 0 < forward < both
    for op in "splat_emitters", "splat_psf":
        assert floors[op].forward_ms is not None and floors[op].forward_backward_ms is None
    assert floors["normalised_masked_l1"].forward_ms is None


def test_the_oracle_in_chunks_is_the_dense_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holly_triton.harness.ops.gaussians_baselines.ORACLE_VALUES", 5000)
    monkeypatch.setitem(ORACLE_VALUES, "cpu", 5000)
    cases: list[Case] = [
        GaussianCase(op, 37, 3, 24, 17, 1.7, weights="signed", point_sigma=2)
        for op in GAUSSIAN_OPERATIONS.keys() - {"reconstruction_divergence"}
    ]
    cases.append(GaussianCase("reconstruction_divergence", 37, 3, 24, 17, 1.7, weights="positive", sigma_each=True))
    cases += [FrameCase(op, 37, 3, 24, 17, 1.7, weights="signed") for op in FRAME_OPERATIONS]
    monkeypatch.setitem(POSES_VALUES, "cpu", 50)
    cases.append(PoseCase("pose_scores", 37, 3, 12, 12, rotations="own", shift="small", weights="signed"))
    cases.append(VolumeCase("fourier_correlation", 37, 3, 12, 12))
    for case in cases:
        inputs = make_inputs(case).to(torch.float64)
        out, gradients = oracle(case, inputs)
        wanted, wanted_gradients = forward_backward(case, "dense", inputs)
        torch.testing.assert_close(out, wanted, rtol=1e-11, atol=1e-13)
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, wanted_gradients[name], rtol=1e-9, atol=1e-11)


def test_inputs_are_the_same_for_the_same_seed_and_fresh_for_another() -> None:
    case = GaussianCase("splat", 7, 2, 8, 8)
    first, again, other = (make_inputs(case, seed).arguments["points"] for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(first, first.float().double())


@pytest.mark.parametrize("images", [1, 2, 3, 4, 5, 6, 7, 32])
def test_pictures_of_emitters_are_ragged_and_the_first_two_stand_for_all(images: int) -> None:
    offsets = make_inputs(GaussianCase("splat_emitters", 50, images, 8, 8)).arguments["offsets"]
    counts = offsets.diff().tolist()
    assert len(counts) == images and sum(counts) == 50 * images and min(counts) >= 0
    assert counts[:1] == [50] and (images < 4 or counts[:2] == [50, 50])
    assert images < 3 or counts[-1] == 0


def test_targets_are_moved_away_from_ties() -> None:
    images = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(0)).double()
    target = images.clone()
    target[:, 4:] *= 2
    moved = away_from_ties(images, target, 1e-2)
    output, wanted = (reference.normalise(pictures, 100.0) for pictures in (images, moved))
    counted = wanted > 1e-2
    assert float((output - wanted).abs()[counted].min()) > 5e-5 * float(wanted.max())


def test_a_nan_and_a_wrong_shape_never_agree() -> None:
    wanted = torch.ones(3)
    for given in (torch.tensor([1.0, torch.nan, 1.0]), torch.ones(4)):
        assert Difference.between("it", given, wanted).relative_l2 == torch.inf


def test_a_nan_fails_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    case = timed_cases((20,), 2, 16, 1.4, "ieee")[0]
    spoil_naive_splat(monkeypatch, torch.nan)
    assert compare(case, "naive", validation_inputs(case, 0)).wrong


def some_records(points: int = 20, slower: float = 1.0) -> list[records.Record]:
    case = GaussianCase("splat", points, 4, 16, 16)
    ms = {"separable": 2.0 * slower, "naive": 6.0, "floor": 1.0}
    made = [
        records.make_record(
            case, backend, "cpu", 4, forward=measure.Timing(t, t, t), forward_backward=measure.Timing(t, t, t)
        )
        for backend, t in ms.items()
    ]
    return [*made, records.make_record(case, "dense", "cpu", 2, status="oom")]


def test_an_operation_without_a_backward_pass_is_drawn_by_its_forward_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    forward_only = [dataclasses.replace(one, op="pose_scores", forward_backward_ms=None) for one in some_records()]
    table.plot(forward_only, tmp_path / "a.png")
    table.plot(some_records(), tmp_path / "b.png")
    assert [figure.axes[0].get_ylabel() for figure in drawn] == [
        "forward, ms a picture",
        "forward + backward, ms a picture",
    ]
    assert all(len(figure.axes[0].lines) == 3 for figure in drawn)


def test_ratios_are_per_picture() -> None:
    case = GaussianCase("splat", 20, 4, 16, 16)
    t = measure.Timing(10.0, 9.0, 11.0)
    dense = records.make_record(case, "dense", "cpu", 2, forward=t, forward_backward=t)
    some = [*some_records()[:3], dense]
    assert table.ratio(some, some[0], "naive") == 3.0
    assert table.ratio(some, some[0], "dense") == 10.0
    assert table.ratio(some, some[0], "floor") == 0.5


def test_raw_records_come_back_newest_first_of_all_and_make_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw" / "cpu.csv"
    raw.parent.mkdir()
    report.append(raw, [*some_records(20, slower=5.0), *some_records(200)])
    report.append(raw, some_records(20))
    assert len(raw.read_text().splitlines()) == 1 + 3 * 4
    read = report.read(raw)
    assert sorted(map(str, read)) == sorted(map(str, [*some_records(20), *some_records(200)]))
    assert report.main(["--reports", str(tmp_path)]) == 0
    assert "kernels_cpu.md" in capsys.readouterr().out
    text = (tmp_path / "kernels_cpu.md").read_text()
    assert "python -m holly_triton.harness.report" in text.splitlines()[0]
    assert "| splat | 20 | separable | 4 | 2.00 (2.00 to 2.00) |" in text and "does not fit in memory" in text
    assert (tmp_path / "kernels_cpu.png").stat().st_size > 1000


def test_the_share_of_the_floor_is_that_of_the_devices_own_work_where_it_is_known() -> None:
    some = some_records()
    some[0] = dataclasses.replace(some[0], device_ms=1.25)
    assert table.share_of_floor(some, some[0]) == 0.8 and table.share_of_floor(some, some[1]) == pytest.approx(1 / 6)
    (drawn,) = table.terminal(some)
    assert [str(column.header) for column in drawn.columns][3] == "gpu ms"
    assert "1.25" in table.rows(some)[0]
    (drawn,) = table.terminal(some_records())
    assert "gpu ms" not in [column.header for column in drawn.columns]


def test_a_raw_table_from_before_a_column_can_be_read(tmp_path: Path) -> None:
    raw = tmp_path / "cpu.csv"
    report.append(raw, some_records())
    raw.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in raw.read_text().splitlines()))
    assert "device_ms" not in raw.read_text()
    assert {record.device_ms for record in report.read(raw)} == {None}


def test_on_a_gpu_separable_is_not_timed_on_many_points_beside_others() -> None:
    few, many = (GaussianCase("splat", points) for points in (10_000, 100_000))
    every = ("triton", "separable", "naive")
    assert command.worth_timing(few, every, "cuda") == list(every)
    assert command.worth_timing(many, every, "cuda") == ["triton", "naive"]
    assert command.worth_timing(many, ("separable",), "cuda") == ["separable"]
    assert command.worth_timing(many, every, "cpu") == list(every)


def test_what_depends_on_sigma_can_be_timed_alone() -> None:
    cases = timed_cases((20,), 2, 16, 4.0, "ieee", OPS_OF_SIGMA)
    assert [case.op for case in cases] == [
        "splat", "reconstruction_loss", "reconstruction_divergence", "splat_emitters",
    ]  # fmt: skip


def test_raw_records_of_another_form_are_left_alone(tmp_path: Path) -> None:
    raw = tmp_path / "cpu.csv"
    raw.write_text("op,backend\n")
    with pytest.raises(HollyError, match="has other columns"):
        report.append(raw, some_records())


def test_an_installed_copy_names_its_release_and_writes_no_raw_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "__file__", str(tmp_path / "origin.py"))
    origin.commit.cache_clear()
    assert origin.commit().startswith("release ")
    assert report.main(["--measure", "--reports", str(tmp_path)]) == 1
    assert "this is no checkout" in capsys.readouterr().err
    monkeypatch.undo()
    origin.commit.cache_clear()


def test_tuning_times_no_candidate_that_spills_or_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from holly_triton.harness import tune
    from holly_triton.kernels import ahead_of_time
    from holly_triton.kernels.blocks import Blocks

    before = Blocks(16, 32, 1, 16, 32, 1)
    monkeypatch.setitem(tune.CANDIDATES, "small", ((16, 32, 2), (16, 32, 4), (16, 64, 1)))

    def inspect(variant: ahead_of_time.Variant) -> ahead_of_time.Inspection:
        if variant.constants["warps"] == 4:
            raise ValueError
        return ahead_of_time.Inspection(80, 16 * (variant.constants["warps"] - 1), 0, {"HMMA": 8})

    monkeypatch.setattr(ahead_of_time, "inspect_variant", inspect)
    monkeypatch.setattr(tune, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    drawing, gradients = tune.shippable((90, "tf32x3", "small"), before)
    assert drawing == [before, Blocks(16, 64, 1, 16, 32, 1)] and [row[3:] for row in gradients] == [
        (16, 32, 1),
        (16, 64, 1),
    ]


def test_the_fastest_candidate_is_printed_as_a_row_of_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("triton")
    from holly_triton.harness import tune
    from holly_triton.kernels import blocks

    key, slow, fast = (90, "tf32x3", "large"), blocks.Blocks(32, 32, 4, 32, 64, 4), blocks.Blocks(64, 64, 4, 64, 64, 8)
    before = blocks.TABLE[key]
    monkeypatch.setattr(tune, "shippable", lambda *_: ([slow, fast], [slow, fast]))

    class Measured:
        def __init__(self, *_: Any) -> None:
            pass

        def score(self, backward: bool) -> list[float]:
            row = blocks.TABLE[key]
            if backward:
                return [row.back_tile / 64, 1.0]
            return [1.0, 64 / row.tile]

    monkeypatch.setattr(tune, "Measured", Measured)
    tune.tune_row(key, 2, 64, 1.41, "cuda")
    assert capsys.readouterr().out.splitlines()[-1] == '    (90, "tf32x3", "large"): Blocks(64, 64, 4, 32, 64, 4),'
    assert blocks.TABLE[key] == before


@pytest.mark.parametrize("right", [True, False])
def test_a_candidate_of_a_wrong_result_is_never_the_row(right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from holly_triton.harness import tune
    from holly_triton.kernels import blocks

    key, bad, good = (90, "tf32x3", "large"), blocks.Blocks(32, 32, 4, 32, 64, 4), blocks.Blocks(64, 64, 4, 64, 64, 8)
    before = blocks.TABLE[key]
    monkeypatch.setattr(tune, "shippable", lambda *_: ([bad, good], [bad, good]))
    monkeypatch.setattr(tune, "time_on_device", lambda *_: 1.0)
    monkeypatch.setattr(
        tune, "compare", lambda *_, **__: SimpleNamespace(wrong=blocks.TABLE[key].tile != good.tile or not right)
    )
    monkeypatch.setattr(tune, "POINTS", (4, 5))
    if right:
        tune.tune_row(key, 1, 8, 1.41, "cpu")
    else:
        with pytest.raises(HollyError, match=r"no candidate .* gives a right result"):
            tune.tune_row(key, 1, 8, 1.41, "cpu")
    assert blocks.TABLE[key] == before


@pytest.mark.parametrize("default", ["triton", "separable"])
def test_tritons_backend_is_offered_where_it_is_the_default(default: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU without Triton, and on AMD's, it would fail in every case."""
    monkeypatch.setattr(command, "choose_backend", lambda *_: default)
    others = ("separable", "naive", "dense")
    assert command.resolve_backends([], "cpu") == (("triton", *others) if default == "triton" else others)
