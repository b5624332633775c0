"""Networks, baseline and figures of the classification of subtomograms, and the command from a set to its classes."""

import csv
import json
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.utils.flop_counter import FlopCounterMode

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.geometry import random_rotations
from holly_triton.tomography.classify import command, features
from holly_triton.tomography.classify.augmentation import TURNS, augmented, turned
from holly_triton.tomography.classify.evaluation import best_temperature, calibration_error, figures_of
from holly_triton.tomography.classify.invariants import invariants
from holly_triton.tomography.classify.model import read_model
from holly_triton.tomography.classify.networks import build, placed
from holly_triton.tomography.classify.opening import open_set
from holly_triton.tomography.classify.run import resume_run, start_run
from holly_triton.tomography.classify.set_hdf5 import SetWriter
from holly_triton.tomography.classify.sources import Fixed, trainable
from holly_triton.tomography.config.classification import (
    QUICK_EPOCHS,
    QUICK_STEPS,
    Augmentation,
    Network,
    NetworkName,
    Training,
)
from holly_triton.tomography.structures import Density, draw_map

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SIZE, VOXEL = 12, 20.0


def blobs(seed: int, each: int = 16) -> tuple[np.ndarray, list[str]]:
    """Noisy balls and hollow balls, which differ in what does not turn with them."""
    random = np.random.default_rng(seed)
    axis = np.arange(SIZE) - SIZE // 2
    volumes, labels = [], []
    for number in range(2 * each):
        z, y, x = random.uniform(-1, 1, 3)
        distance = np.sqrt((axis[:, None, None] - z) ** 2 + (axis[:, None] - y) ** 2 + (axis - x) ** 2)
        hollow = number % 2
        volumes.append(np.exp(-((distance - 4 * hollow) ** 2) / 4) + 0.1 * random.normal(size=(SIZE,) * 3))
        labels.append("hollow" if hollow else "ball")
    return np.array(volumes, np.float32), labels


def written(path: Path, volumes: np.ndarray, labels: list[str] | None, voxel: float = VOXEL) -> Path:
    with SetWriter(path, volumes.shape[-1], voxel) as writer:
        writer.append(volumes, labels=labels)
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["tomo", "classify", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "classes.csv").open() as file:
        return list(csv.DictReader(file))


def weights(name: NetworkName, size: int, classes: int) -> int:
    with torch.device("meta"):
        return sum(value.numel() for value in build(Network(name), size, classes).parameters())


def work(name: NetworkName, size: int) -> float:
    """Million multiply-adds for one subtomogram of 23 classes."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build(Network(name), size, 23).eval()(torch.zeros(1, size, size, size))
    return counter.get_total_flops() / 2e6


def test_the_published_networks_have_the_published_size():
    # 40^3 voxels and 23 classes: 18.2 and 33.2 million, counted by hand from the layers.
    dense = 23 * (160 * 17**3 + 1)
    convolutions = 32 * 126 + 32 * 33 + (32 * 33 + 64 * 865) + (16 * 33 + 32 * 2001) + 32 * 33
    assert weights("inception3d", 40, 23) == dense + convolutions == 18_206_983
    layers = 32 * 28 + 32 * 865 + 64 * 865 + 64 * 1729 + 512 * 64_001 + 512 * 513 + 23 * 513
    assert weights("dsrf3d", 40, 23) == layers
    assert work("inception3d", 40) == pytest.approx(920, rel=0.02)
    assert work("dsrf3d", 40) == pytest.approx(3190, rel=0.02)


@pytest.mark.parametrize("size", [28, 40])
def test_our_own_network_is_a_tenth_in_size_and_a_fifth_in_work(size):
    assert weights("own", 40, 23) <= weights("inception3d", 40, 23) / 10
    assert work("own", size) <= work("inception3d", size) / 5


@pytest.mark.parametrize("name", ["own", "inception3d", "dsrf3d"])
@pytest.mark.parametrize("size", [12, 13])
def test_linear_activations_of_any_size_of_box(name, size):
    linear = build(Network(name), size, 5).eval()(torch.randn(3, size, size, size))
    assert linear.shape == (3, 5) and bool(linear.isfinite().all())


@pytest.mark.parametrize("name", ["own", "inception3d", "dsrf3d"])
def test_placing_a_network_changes_its_layout_and_not_its_activations(name, seed):
    torch.manual_seed(seed)
    network, boxes = build(Network(name), 12, 5).eval(), torch.randn(3, 12, 12, 12)
    before = network(boxes)
    assert placed(network, torch.device("cpu")) is network
    kernels = [layer.weight for layer in network.modules() if isinstance(layer, torch.nn.Conv3d)]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last_3d) for kernel in kernels)
    torch.testing.assert_close(network(boxes), before, rtol=1e-4, atol=1e-4)


def test_the_sense_of_dropout():
    assert Network("inception3d").dropped == 0.7  # dropped, as Keras has it
    network = build(Network("inception3d", dropout=0.3), 12, 5)
    assert [layer.p for layer in network.modules() if isinstance(layer, torch.nn.Dropout)] == [0.3]


def test_invariants_do_not_change_under_rotation_and_tell_shapes_apart(seed):
    generator = torch.Generator().manual_seed(seed)
    shapes = [Density.of("cloud", 40 * torch.randn(20, 3, generator=generator), torch.ones(20)) for _ in range(2)]
    drawn = [draw_map(one, 24, 10.0, 50.0, rotation=random_rotations(4, generator)) for one in shapes]
    found = [invariants(one, 8) for one in drawn]
    within = max(float((one - one.mean(0)).norm(dim=1).max() / one.norm(dim=1).mean()) for one in found)
    apart = float((found[0].mean(0) - found[1].mean(0)).norm() / found[0].norm(dim=1).mean())
    assert within < 0.03 < 5 * within < apart


def test_invariants_of_single_harmonics():
    axis = (torch.arange(21) - 10).float()
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    radius = (x**2 + y**2 + z**2).sqrt().clamp(min=0.5)
    for degree, values in ((0, torch.ones_like(x)), (1, y / radius), (2, x * z / radius**2)):
        power = invariants(values[None], 4).view(-1, 5)[7] ** 2  # the shell of radius 8
        assert int(power.argmax()) == degree and float(power[degree] / power.sum()) > 0.999
    # The integral of y^2 / r^2 over the sphere is 4 pi / 3.
    assert float(invariants((y / radius)[None], 4).view(-1, 5)[7, 1]) == pytest.approx(
        (4 * torch.pi / 3) ** 0.5, rel=0.01
    )


@pytest.mark.parametrize("size", [8, 9])
def test_turns_keep_the_centre_and_are_of_half_a_circle(size, seed):
    volumes = torch.randn(2, size, size, size, generator=torch.Generator().manual_seed(seed))
    middle = size // 2
    for turn in range(len(TURNS)):
        found = turned(volumes, turn)
        assert torch.equal(found[:, middle, middle, middle], volumes[:, middle, middle, middle])
        assert torch.equal(turned(found, turn), volumes)
    about_z = turned(volumes, 1)
    assert torch.equal(about_z[:, middle + 1, middle + 2, middle + 3], volumes[:, middle + 1, middle - 2, middle - 3])


def test_augmentation_keeps_values_and_moves_by_the_shift_at_most(seed):
    volumes = torch.zeros(40, 11, 11, 11)
    volumes[:, 5, 5, 5] = 1
    found = augmented(volumes, Augmentation(shift=2), np.random.default_rng(seed))
    places = found.flatten(1).argmax(1)
    apart = torch.stack([places // 121, places // 11 % 11, places % 11]) - 5
    assert bool((found.sum((1, 2, 3)) == 1).all()) and int(apart.abs().max()) == 2


def test_a_temperature_makes_sure_answers_honest(seed):
    generator = torch.Generator().manual_seed(seed)
    honest = 2 * torch.randn(4000, 3, generator=generator)
    truth = torch.multinomial(honest.softmax(1), 1, generator=generator)[:, 0]
    temperature = best_temperature(5 * honest, truth)
    assert temperature == pytest.approx(5, rel=0.1)
    before, after = (figures_of(5 * honest, truth, one, ("a", "b", "c")) for one in (1.0, temperature))
    assert after["calibration_error"] < 0.03 < before["calibration_error"]
    assert after["accuracy"] == before["accuracy"]


def test_figures_by_hand():
    linear = torch.tensor([[2.0, 1, 0], [0, 2, 1], [0, 2, 1], [3, 0, 1]])
    truth = torch.tensor([0, 1, 2, 2])
    figures = figures_of(linear, truth, 1.0, ("a", "b", "c"))
    assert figures["accuracy"] == 0.5 and figures["top2"] == 1.0
    assert figures["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 1, 0]]
    assert figures["accuracy_by_class"] == {"a": 1.0, "b": 1.0, "c": 0.0}
    assert calibration_error(torch.tensor([0.9, 0.9]), torch.tensor([True, False])) == pytest.approx(0.4)


def test_from_a_set_to_classes(tmp_path, seed):
    volumes, labels = blobs(seed)
    train = written(tmp_path / "train.h5", volumes, labels)
    code, said = run(train, tmp_path / "out", "--train", "--epochs", 30)
    assert code == 0, said
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["accuracy"] == 1.0 and metrics["judged_on"] == "validation" and metrics["subtomograms"] == 4
    assert (tmp_path / "out" / "confusion.png").is_file()
    rows = table(tmp_path / "out")
    assert len(rows) == 32 and sum(row["trained_on"] == "0" for row in rows) == 4

    volumes, labels = blobs(seed + 1, 6)
    volumes[3], volumes[5, 0, 0, 0] = 0.0, np.nan  # an empty one and a broken one
    others = written(tmp_path / "others.h5", volumes, labels)
    code, said = run(others, tmp_path / "found", "--model", tmp_path / "out" / "model.pt")
    assert code == 0, said
    metrics = json.loads((tmp_path / "found" / "metrics.json").read_text())
    assert metrics["accuracy"] == 1.0 and metrics["classified"] == 10 and metrics["unusable"] == 2
    rows = table(tmp_path / "found")
    assert [row["class"] for row in rows] == ["" if number in (3, 5) else label for number, label in enumerate(labels)]
    assert all(0.5 <= float(row["probability"]) <= 1 for number, row in enumerate(rows) if number not in (3, 5))


def test_the_baseline_and_its_file(tmp_path, seed):
    pytest.importorskip("sklearn", reason="the baseline needs scikit-learn")
    train = written(tmp_path / "train.h5", *blobs(seed))
    code, said = run(train, tmp_path / "out", "--train", "--network", "rif-svm")
    assert code == 0, said
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["accuracy"] == 1.0
    code, said = run(
        written(tmp_path / "b.h5", *blobs(seed + 1, 4)), tmp_path / "b", "--model", tmp_path / "out/model.pt"
    )
    assert code == 0 and json.loads((tmp_path / "b" / "metrics.json").read_text())["accuracy"] == 1.0


@pytest.mark.parametrize("network", ["own", "inception3d"])
def test_a_resumed_training_is_the_same(tmp_path, seed, network):
    from holly_triton.tomography.classify.run import carry_out

    train = written(tmp_path / "train.h5", *blobs(seed))
    settings = Training(data=str(train), epochs=6, batch=14, network=Network(network), device="cpu", validations=1)
    whole = start_run(tmp_path / "whole.pt", settings)
    wanted = carry_out(whole)
    part = start_run(tmp_path / "part.pt", settings)
    carry_out(part, should_stop=lambda: part.trainer.state.step >= 5)
    assert part.trainer.done < 1
    again = resume_run(tmp_path / "part.pt")
    assert again.trainer.state.step == 5
    found = carry_out(again)
    for name, value in wanted.network.state_dict().items():
        assert torch.equal(value, found.network.state_dict()[name]), name
    assert read_model(tmp_path / "part.pt").temperature == wanted.temperature


def test_a_stopped_classification_goes_on_where_it_was(tmp_path, seed, monkeypatch):
    train = written(tmp_path / "train.h5", *blobs(seed, 6))
    assert run(train, tmp_path / "out", "--train", "--epochs", 2)[0] == 0
    model, digest = read_model(tmp_path / "out/model.pt"), "d"
    subtomograms = open_set(train)
    monkeypatch.setattr(features, "CHUNK", 1)
    path, asked = tmp_path / "features.h5", iter([False] * 5 + [True])
    fresh = features.start_features(path, subtomograms, model, digest, resume=False)
    stopped = features.extend_features(fresh, subtomograms, model, lambda _: None, lambda: next(asked))
    assert stopped.done == 5
    reread = features.start_features(path, subtomograms, model, digest, resume=True)
    assert reread.done == 5
    finished = features.extend_features(reread, subtomograms, model, lambda _: None, lambda: False)
    assert finished.made == 7
    assert torch.allclose(finished.read(), model.linear(subtomograms.read(np.arange(12))), atol=1e-4)
    with pytest.raises(HollyError, match="another set or model"):
        features.start_features(path, subtomograms, model, "e", resume=True)


def test_resume_of_the_command(tmp_path, seed):
    train = written(tmp_path / "train.h5", *blobs(seed, 6))
    assert run(train, tmp_path / "out", "--train", "--epochs", 2)[0] == 0
    (tmp_path / "out" / "classes.csv").unlink()
    code, said = run(train, tmp_path / "out", "--resume")
    assert code == 0 and (tmp_path / "out" / "classes.csv").is_file(), said
    assert run(tmp_path / "none.h5", tmp_path / "out", "--resume")[0] == 1
    assert run(train, tmp_path / "new", "--resume")[0] == 1
    assert run(train, tmp_path / "out", "--train", "--epochs", 2)[0] == 1  # exists already


def test_a_signal_stops_the_training_and_the_line_goes_on_with_it(tmp_path, seed, monkeypatch):
    train, real = written(tmp_path / "the train.h5", *blobs(seed, 6)), command.carry_out

    def interrupted(run, callback, should_stop):
        def after(step):
            callback(step)
            signal.raise_signal(signal.SIGINT)

        run.trainer.state.skipped = 2  # as if two gradients had not been finite
        return real(run, after, should_stop)

    monkeypatch.setattr(command, "carry_out", interrupted)
    code, said = run(train, tmp_path / "out", "--train", "--epochs", 2)
    assert code == 3 and (tmp_path / "out" / "model.pt").is_file(), said
    assert said.count("2 steps were left out") == 1
    monkeypatch.undo()
    words = shlex.split(said.partition("Go on with: ")[2].splitlines()[0])
    assert words[:3] == ["holly-triton", "tomo", "classify"]
    code, said = run(*words[3:])
    assert code == 0 and (tmp_path / "out" / "classes.csv").is_file(), said
    assert said.count("2 steps were left out") == 1


def test_set_model_and_results_can_be_moved_together(tmp_path, seed):
    (tmp_path / "here").mkdir()
    train, model = written(tmp_path / "here/train.h5", *blobs(seed, 4)), tmp_path / "here/out/model.pt"
    assert run(train, model.parent, "--train", "--epochs", 1)[0] == 0
    assert run(train, tmp_path / "here/found", "--model", model)[0] == 0
    there = (tmp_path / "here").rename(tmp_path / "there")
    for name in ("job.json", "metrics.json"):
        assert str(tmp_path) not in (there / "found" / name).read_text()
    (there / "found/classes.csv").unlink()
    code, said = run(there / "train.h5", there / "found", "--resume")
    assert code == 0 and (there / "found/classes.csv").is_file(), said


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [(None, "no labels"), (["a"] * 8, "only the class a"), (["a"] * 7 + ["b"], "one subtomogram of the class b")],
)  # fmt: skip
def test_sets_that_cannot_be_trained_on(tmp_path, seed, labels, wanted):
    path = written(tmp_path / "set.h5", blobs(seed, 4)[0], labels)
    with pytest.raises(HollyError, match=wanted):
        Fixed.of(open_set(path), Training())
    assert run(path, tmp_path / "out", "--train")[0] == 1


def test_copies_and_unusable_ones_are_not_trained_on(tmp_path, seed):
    volumes, labels = blobs(seed, 4)
    volumes[6], volumes[2] = volumes[0], 1.0
    labels[5] = ""
    assert trainable(open_set(written(tmp_path / "set.h5", volumes, labels))).rows.tolist() == [0, 1, 3, 4, 7]


def test_of_copies_the_labelled_one_is_trained_on_and_none_whose_labels_differ(tmp_path, seed, caplog):
    volumes, labels = blobs(seed, 5)
    labels[0], volumes[2] = "", volumes[0]
    volumes[5], labels[5] = volumes[4], "hollow"
    assert trainable(open_set(written(tmp_path / "set.h5", volumes, labels))).rows.tolist() == [1, 2, 3, 6, 7, 8, 9]
    assert "1 subtomogram has copies with other labels and cannot be trained on, such as 5 and 6" in caplog.text


def test_copies_of_what_was_trained_on_are_not_validated_on(tmp_path, seed):
    """Noise, each box twice: nothing can be learned of it, and a network remembers what it saw."""
    random = np.random.default_rng(seed)
    volumes = np.repeat(random.normal(size=(40, SIZE, SIZE, SIZE)), 2, axis=0)
    labels = np.repeat(random.permutation(["a", "b"] * 20), 2).tolist()
    path = written(tmp_path / "set.h5", volumes, labels)
    code, said = run(path, tmp_path / "out", "--train", "--epochs", 2)
    assert code == 0, said
    rows = table(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["subtomograms"] == 6
    assert [row["trained_on"] for row in rows[::2]] == [row["trained_on"] for row in rows[1::2]]
    code, said = run(path, tmp_path / "again", "--model", tmp_path / "out" / "model.pt")
    assert code == 0 and "was trained on a part of these" in said
    assert "80 of all whose class the model knows" in said


def test_a_model_refuses_other_voxels_and_other_boxes(tmp_path, seed):
    volumes, labels = blobs(seed, 4)
    code, said = run(written(tmp_path / "train.h5", volumes, labels), tmp_path / "out", "--train", "--epochs", 1)
    assert code == 0 and "model.pt: 1 step in" in said, said
    model = read_model(tmp_path / "out/model.pt")
    with pytest.raises(HollyError, match=r"voxels of 10 Å, and m was trained on 20 Å"):
        model.check_suits(open_set(written(tmp_path / "fine.h5", volumes, None, 10.0)), Path("m"))
    with pytest.raises(HollyError, match="boxes of 10 voxels"):
        model.check_suits(open_set(written(tmp_path / "small.h5", volumes[:, 1:-1, 1:-1, 1:-1], None)), Path("m"))
    (tmp_path / "text.pt").write_text("no model")
    assert run(tmp_path / "train.h5", tmp_path / "other", "--model", tmp_path / "text.pt")[0] == 1
    assert run(tmp_path / "small.h5", tmp_path / "other", "--model", tmp_path / "out/model.pt")[0] == 1
    assert not (tmp_path / "other").exists()


def test_help_states_the_length_of_a_quick_training():
    said = CliRunner().invoke(main, ["tomo", "classify", "--help"]).output
    assert f"{QUICK_EPOCHS} epochs, and at least {QUICK_STEPS} steps" in " ".join(said.split())


@pytest.mark.parametrize(
    "options", [(), ("--train", "--model", "m"), ("--resume", "--seed", "1"), ("--model", "m", "--epochs", "3"), ("--train", "--epochs", "3", "--quick"),
        ("--train", "--network", "rif-svm", "--epochs", "3"), ("--train", "--network", "rif-svm", "--dropout", "0"),
        ("--train", "--network", "rif-svm", "--aligned")],
)  # fmt: skip
def test_options_that_contradict(tmp_path, options):
    assert run(tmp_path, tmp_path / "out", *options)[0] == 2


@pytest.mark.skipif(not (DATA / "subtomograms-tiny").is_dir(), reason="shared/data is not beside this checkout")
def test_the_tiny_set_is_classified_without_a_fault(tmp_path):
    code, said = run(DATA / "subtomograms-tiny", tmp_path / "out", "--train", "--epochs", 40, "--aligned")
    assert code == 0, said
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    rows = table(tmp_path / "out")
    assert metrics["accuracy"] == 1.0 and all(row["class"] == row["label"] for row in rows)
