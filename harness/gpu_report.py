"""``reports/gpu.md``: what the sessions on a GPU measured, made from their records, with what is missing in them."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
Rows = list[tuple[str, ...]]

HOW = """<!-- Generated from {raw}: python -m holly_triton.harness.report
     The records are those of .ci/gpu. -->"""
STEPS = {
    "environment": "environment.json",
    "tests": "tests.xml",
    "train-demo": "train-demo.json",
    "train-bunny": "train-bunny.json",
    "frames": "frames.json",
    "frames-train": "frames-train.json",
    "tomography": "tomography.json",
}
"""The records that a report is made of, by step."""
NOTES = "gpu_notes.md"
"""What a person adds about the sessions."""
UNDONE = {
    "failed": "ended with a failure",
    "timeout": "stopped at its limit of time",
    "skipped": "no time was left for it",
}
"""How a step ended, if not well."""
FRAMES_PARTS = (
    "train-48", "train-24", "localise-sparse", "localise-crowded", "localise-sparse-polished", "localise-crowded-polished",
)  # fmt: skip
TOMOGRAPHY_PARTS = (
    "simulation", "inference", "inference-deepfinder", "match", "match-large", "train-own", "train-deepfinder", "label-peaks",
    "align",
)  # fmt: skip
INFERENCE = "DeepFinder's network, 50 patches of 160³ voxels: 138.9 s on a machine with an A100 (log in the repository paloha/faket)"  # fmt: skip
MATCHING = (
    "pytom-match-pick, 462 x 478 x 250 voxels, about 8700 rotations of 12.85°: 193 s on a GTX 1080 Ti (its documentation); "
    "pyTME, 300³ voxels, 8°: 1 to 2 minutes on a consumer GPU (its documentation)"
)
TRAINING = "6000 steps in 12 hours on a Tesla K80, 0.14 a second (Moebel et al. 2018)"
CLUSTERING = "mean-shift of 659 859 voxels: 1936 s (log in the repository paloha/faket)"


def write_gpu_report(raw: Path, folder: Path) -> Path | None:
    """The report of the records in a folder, written beside that of the kernels; None where there is no such record."""
    found = {step: raw / name for step, name in STEPS.items() if (raw / name).is_file()}
    if not found:
        return None
    read = {step: json.loads(path.read_text()) for step, path in found.items() if path.suffix == ".json"}
    outcomes = json.loads((raw / "session.json").read_text()) if (raw / "session.json").is_file() else []
    missing: list[str] = []
    sections = [
        ("Environment", _environment(read.get("environment"))),
        ("Steps", _steps(outcomes)),
        ("Tests", _tests(found.get("tests"))),
        ("Reconstruction of particles", _particles(read)),
        ("Camera frames: training", _frames_training(read.get("frames", {}), missing)),
        ("Camera frames: localisation", _localising(read.get("frames", {}), missing)),
        ("Camera frames: a training", _trained(read.get("frames-train", {}), missing)),
        ("Tomograms", _tomography(read.get("tomography", {}), missing)),
    ]
    status = {one["name"]: one["status"] for one in outcomes}
    for step in dict.fromkeys([*STEPS, *status]):
        if status.get(step) in UNDONE:
            missing.append(f"{step}: {UNDONE[status[step]]}")
        elif step in STEPS and step not in found:
            missing.append(f"{step}: not run")
    parts = [HOW.format(raw=raw.relative_to(folder)), "", f"# On a GPU: {_device(read.get('environment'))}", ""]
    for title, lines in sections:
        parts += [f"## {title}", "", *(lines or ["Not measured."]), ""]
    parts += [
        "## Not measured, or only in part",
        "",
        *([f"- {line}" for line in missing] or ["Nothing is missing."]),
        "",
    ]
    if (raw / NOTES).is_file():
        parts += ["## Notes", "", (raw / NOTES).read_text(encoding="utf-8")]
    path = folder / "gpu.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _device(environment: Figures | None) -> str:
    return str(environment["device"]) if environment else "device not recorded"


def _environment(found: Figures | None) -> list[str]:
    if found is None:
        return []
    packages = found["packages"]
    rows = [
        ("device", str(found["device"])), ("CUDA", str(found["cuda"])), ("PyTorch", packages.get("torch", "")),
        ("Triton", packages.get("triton", "")), ("Python", found["python"].split()[0]), ("processor cores", str(found["cores"])),
        ("memory of the device, GiB", _number(found.get("total_bytes", 0) / 2**30 or None, ".1f")), ("commit", str(found["commit"])),
    ]  # fmt: skip
    return _table(("", ""), rows)


def _steps(outcomes: Sequence[Figures]) -> list[str]:
    rows = [(one["name"], one["status"], f"{one['seconds']:.1f}", f"{one['limit_s']:.0f}") for one in outcomes]
    return _table(("step", "end", "seconds", "limit, s"), rows) if rows else []


def _tests(path: Path | None) -> list[str]:
    """How many tests passed, and the names of those that did not."""
    if path is None:
        return []
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    ends = {name: [case for case in cases if case.find(name) is not None] for name in ("failure", "error", "skipped")}
    bad = [f"{case.get('classname')}::{case.get('name')}" for name in ("failure", "error") for case in ends[name]]
    good = len(cases) - sum(map(len, ends.values()))
    lines = [f"{good} of {len(cases)} tests passed, {len(ends['skipped'])} were skipped."]
    return lines + [f"- failed: `{name}`" for name in bad]


def _particles(read: dict[str, Figures]) -> list[str]:
    rows: Rows = []
    for step in ("train-demo", "train-bunny"):
        one = read.get(step, {})
        for name, stage in one.get("stages", {}).items():
            whole = (one["structure"], str(one["images"]), str(one["points"]), f"{one['seconds']:.1f}", _number(one["rmsd_nm"], ".2f"))  # fmt: skip
            rows.append((*whole, name, str(stage["steps_timed"]), _number(stage["step_ms"], ".1f"), _share(stage)))
    head = (
        "structure",
        "pictures",
        "points",
        "seconds",
        "RMSD to the nearest neighbours, nm",
        "stage",
        "steps",
        "a step, ms",
        "device busy",
    )
    return _table(head, rows) if rows else []


def _frames_training(found: Figures, missing: list[str]) -> list[str]:
    rows: Rows = []
    for one in _measured(found, FRAMES_PARTS[:2], "frames", missing):
        parts = [
            _number(one["parts_ms"][name], ".2f") for name in ("simulate", "network", "loss", "backward", "optimiser")
        ]
        rows.append((
            str(one["width"]), str(one["batch"]), f"{one['steps_per_s']:.1f}", f"{one['frames_per_s']:.0f}",
            _number(one["step_ms"], ".1f"), _share(one), *parts, _number(one["peak_mib"], ".0f"),
        ))  # fmt: skip
    head = (
        "width", "frames a step", "steps a second", "frames of 32² px a second", "a step, ms", "device busy", "simulation, ms",
        "network, ms", "loss, ms", "backward, ms", "optimiser, ms", "peak, MiB",
    )  # fmt: skip
    note = "The parts of a step were timed one by one, the device being waited for after each, so that their sum exceeds a step."
    return [*_table(head, rows), "", note] if rows else []


def _localising(found: Figures, missing: list[str]) -> list[str]:
    rows: Rows = [
        (
            "with" if name.endswith("polished") else "without", f"{one['emitters_per_frame']:.2f}", f"{one['detections_per_frame']:.2f}",
            str(one["frames"]), f"{one['frames_per_s']:.0f}", _share(one), _number(one["peak_mib"], ".0f"),
        )
        for name in FRAMES_PARTS[2:]
        for one in _measured(found, (name,), "frames", missing)
    ]  # fmt: skip
    head = (
        "polish",
        "emitters a frame",
        "found a frame",
        "frames",
        "frames of 64² px a second",
        "device busy",
        "peak, MiB",
    )
    note = "The model that ships, from the camera's numbers in the host's memory to the table; 5000 photons over 50 a pixel."
    return [*_table(head, rows), "", note] if rows else []


def _trained(found: Figures, missing: list[str]) -> list[str]:
    if "training" not in found:
        return []
    ran = next(_measured(found, ("training",), "frames-train", missing), None)
    tests = tuple(name for name in found if name.startswith("density-"))
    rows: Rows = [
        (
            f"{one['emitters_per_frame']:.2f}", str(one["frames"]), _number(one["jaccard"], ".3f"), _number(one["rmse_lateral"], ".1f"),
            _number(one["rmse_axial"], ".1f"), _number(one["efficiency_3d"], ".3f"), one["positions"],
        )
        for one in _measured(found, tests, "frames-train", missing)
    ]  # fmt: skip
    lines: list[str] = []
    if ran is not None:
        lines = [f"Width {ran['width']}: {ran['steps']} steps, {ran['frames_per_s']:.0f} frames a second, in {ran['seconds']:.0f} s with their validation.", ""]  # fmt: skip
    if rows:
        head = (
            "emitters a frame",
            "frames",
            "Jaccard",
            "lateral RMSE, nm",
            "axial RMSE, nm",
            "3D efficiency",
            "positions",
        )
        lines += _table(head, rows)
    for one in _measured(found, ("empty",), "frames-train", missing):
        lines += ["", f"In {one['frames']} frames without emitters it finds {one['false']}."]
    return lines


def _tomography(found: Figures, missing: list[str]) -> list[str]:
    rows: Rows = []
    describe: dict[str, Callable[[Figures], Rows]] = {
        "simulation": lambda one: [(f"simulation of {_voxels(one)} voxels, {one['particles']} particles, {one['tilts']} tilts", _seconds(one["seconds"]), "")],
        "inference": lambda one: [
            (f"own network, width {one['width']}, {_voxels(one)} voxels: scores", _seconds(one["scores_plain_s"]), INFERENCE),
            ("the same, mean of four turns", _seconds(one["scores_averaged_s"]), ""),
            ("the same as the first, with the picks", _seconds(one["picks_plain_s"]), ""),
            ("the same, mean of four turns, with the picks", _seconds(one["picks_averaged_s"]), ""),
        ],
        "inference-deepfinder": lambda one: [(f"DeepFinder's network, width {one['width']}, untrained, {_voxels(one)} voxels: scores", _seconds(one["scores_plain_s"]), INFERENCE)],
        "match": lambda one: [_match(one)], "match-large": lambda one: [_match(one)],
        "train-own": lambda one: [_training_row(one)], "train-deepfinder": lambda one: [_training_row(one)],
        "label-peaks": lambda one: [(f"peaks of a label volume of {_voxels(one)} voxels, {one['voxels']} of them labelled: {one['peaks']} of {one['particles']:.0f} particles", _seconds(one["seconds"]), CLUSTERING)],
        "align": lambda one: [
            (f"{one['particles']} particles of {one['box']}³ voxels against {one['rotations']} rotations, all shifts by FFT (median error {one['median_error_deg']['search']:.1f}°)", _seconds(one["search_s"]), ""),
            (f"their refinement by steps of {_words(one['steps_deg'])}° (median error {one['median_error_deg']['refined']:.1f}°)", _seconds(one["refine_s"]), ""),
        ],
    }  # fmt: skip
    for name in TOMOGRAPHY_PARTS if found else ():
        for one in _measured(found, (name,), "tomography", missing):
            rows += [(*row, _number(one["peak_mib"], ".0f")) for row in describe[name](one)]
    note = "Published times are of other machines and other data, and are given as their sources state them."
    return [*_table(("what", "here", "published", "peak, MiB"), rows), "", note] if rows else []


def _match(one: Figures) -> tuple[str, str, str]:
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in one["parts_s"].items())
    what = f"matching of one template ({one['template']}) at {one['rotations']} rotations ({one['angle_deg']:.2f}°) in {_voxels(one)} voxels"
    return what, f"{_seconds(one['seconds'])} ({parts})", MATCHING


def _training_row(one: Figures) -> tuple[str, str, str]:
    what = f"training of the network {one['preset']}, width {one['width']}, {one['batch']} patches of {one['side']}³ voxels"
    busy = f", device busy {_share(one)}" if one["device_busy_share"] is not None else ""
    here = f"{one['steps_per_s']:.1f} steps a second{busy}; drawing the patches takes {one['drawing_ms']:.0f} ms of a step's {one['step_ms']:.0f}"
    return what, here, TRAINING if one["preset"] == "deepfinder" else ""


def _measured(found: Figures, names: Sequence[str], step: str, missing: list[str]) -> Any:
    """Parts of a record; those that failed or are not there are added to what is missing, if the step was run at all."""
    for name in names:
        one = found.get(name)
        if one is not None and "error" not in one:
            yield one
        elif found:
            missing.append(f"{step}, {name}: {one['error'] if one else 'not reached'}")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows)]


def _voxels(one: Figures) -> str:
    return " x ".join(str(side) for side in reversed(one["shape"]))


def _words(numbers: Sequence[float]) -> str:
    return " and ".join(f"{number:g}" for number in numbers)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s"


def _share(one: Figures) -> str:
    return _number(one["device_busy_share"], ".0%")


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
