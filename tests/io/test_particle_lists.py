"""Particle lists of every program: round trips, units and centres, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.geometry.euler import euler_from_rotation, rotation_from_euler
from holly_triton.io.particle_lists import ParticleList, joined, read_particles, write_particles
from holly_triton.io.particle_lists.reading import read_raw_list
from holly_triton.io.volumes import write_volume
from holly_triton.tomography.inspection.command import describe

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "deepfinder"
VOXEL, SHAPE = 13.68, (61, 200, 300)


def some(seed: int = 0, count: int = 40) -> ParticleList:
    rng = np.random.default_rng(seed)
    return ParticleList(
        labels=rng.choice(["70S", "FAS", "1aon"], count),
        positions=rng.uniform(0, 1, (count, 3)) * np.array(SHAPE[::-1]) * VOXEL,
        rotations=rotation_from_euler(rng.uniform(-180, 180, (count, 3)), "relion"),
        scores=rng.uniform(2, 9, count),
        tomograms=rng.choice(["tomo_a", "TS 2"], count),
    )


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


ROUND_TRIPS = [
    ("a.csv", None), ("a.star", None), ("a.star", "relion5"), ("a.star", "warp"), ("a.xml", None), ("a.tbl", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "style"), ROUND_TRIPS)
@pytest.mark.parametrize("bare", [False, True])
def test_a_list_comes_back_from_every_format(tmp_path: Path, name: str, style: str | None, bare: bool) -> None:
    """``bare``: without rotations, scores and names of tomograms, which no format invents."""
    listed = ParticleList.of("70S", some().positions) if bare else some()
    assert write_particles(tmp_path / name, listed, voxel_size=VOXEL, shape=SHAPE, style=style) == [tmp_path / name]
    dynamo = name.endswith(".tbl")
    names = {n: label for n, label in enumerate(listed.classes, 1)} if dynamo else None
    read = read_particles(tmp_path / name, voxel_size=VOXEL, shape=SHAPE, class_names=names)
    assert read.labels.tolist() == listed.labels.tolist()
    np.testing.assert_allclose(read.positions, listed.positions, atol=0.01)
    if listed.rotations is not None:
        np.testing.assert_allclose(read.rotations, listed.rotations, atol=1e-5)
        np.testing.assert_allclose(read.scores, listed.scores, atol=1e-4)
        if not dynamo:
            assert read.tomograms.tolist() == listed.tomograms.tolist()
    elif not dynamo:  # whose tables have a place for everything
        assert read.rotations is None and np.isnan(read.scores).all() and not any(read.tomograms)
    assert read.remarks[0].startswith("40 rows read; positions in ")
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("name", "style"), [*ROUND_TRIPS, ("a.json", None), ("a.csv", "napari"), ("a.cmm", None)])
def test_a_list_of_no_particle_is_written_and_read(tmp_path: Path, name: str, style: str | None) -> None:
    write_particles(tmp_path / name, some(count=0), voxel_size=VOXEL, shape=SHAPE, style=style)
    if name != "a.cmm":
        assert len(read_particles(tmp_path / name, voxel_size=VOXEL, shape=SHAPE)) == 0


def test_copick_has_a_file_for_each_class_of_each_tomogram(tmp_path: Path) -> None:
    listed = some()
    files = write_particles(tmp_path / "picks.json", listed)
    assert "picks_tomo_a_70S.json" in {file.name for file in files} and len(files) == 6
    read = joined([read_particles(file) for file in files])
    order, expected = (np.lexsort(one.positions.T) for one in (read, listed))
    np.testing.assert_allclose(read.positions[order], listed.positions[expected], atol=0.001)
    np.testing.assert_allclose(read.rotations[order], listed.rotations[expected], atol=1e-6)
    assert read.labels[order].tolist() == listed.labels[expected].tolist()
    assert read.tomograms[order].tolist() == listed.tomograms[expected].tolist()
    one = listed.take((listed.labels == "FAS") & (listed.tomograms == "tomo_a"))
    assert write_particles(tmp_path / "one.json", one) == [tmp_path / "one.json"]
    picks = json.loads((tmp_path / "one.json").read_text())
    assert picks["pickable_object_name"] == "FAS" and picks["unit"] == "angstrom" and picks["run_name"] == "tomo_a"


def test_our_csv_has_the_columns_of_the_contract(tmp_path: Path) -> None:
    turn = rotation_from_euler([[90, 0, 0]], "deepfinder")
    write_particles(
        tmp_path / "a.csv", ParticleList.of("70S", [[1, 2, 3.5]], rotations=turn, scores=[2.5], tomogram="t")
    )
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "class,x,y,z,qx,qy,qz,qw,score,tomogram"
    assert lines[1] == "70S,1.000,2.000,3.500,0.0000000,0.0000000,0.7071068,0.7071068,2.5,t"


def test_names_that_would_split_a_cell_do_not(tmp_path: Path) -> None:
    listed = ParticleList.of(['a,b;"c"', "x y"], np.ones((2, 3)), tomogram="tomo 1, bin 4")
    for name in ("a.csv", "a.star", "a.xml"):
        write_particles(tmp_path / name, listed, voxel_size=1.0)
        read = read_particles(tmp_path / name, voxel_size=1.0)
        assert len(read) == 2 and read.labels[1] == "x y" and len({*read.tomograms}) == 1


def test_the_first_voxel_is_1_in_dynamo_and_0_elsewhere(tmp_path: Path) -> None:
    listed = ParticleList.of("7", [[0, 10, 20]])
    for name, first, expected in (("a.tbl", 23, [1, 2, 3]), ("a.star", 1, [0, 1, 2])):
        write_particles(tmp_path / name, listed, voxel_size=10.0)
        cells = (tmp_path / name).read_text().rstrip().splitlines()[-1].split()
        assert [float(cell) for cell in cells[first : first + 3]] == expected


@pytest.mark.parametrize("size", [64, 61])
def test_relion_5_counts_from_half_of_the_sides(tmp_path: Path, size: int) -> None:
    """For an even size that is the voxel of index n // 2, for an odd one half a voxel more."""
    path = table(
        tmp_path / "a.star",
        "data_particles\nloop_\n_rlnCenteredCoordinateXAngst #1\n_rlnCenteredCoordinateYAngst #2\n"
        "_rlnCenteredCoordinateZAngst #3\n0 0 -10\n",
    )
    with pytest.raises(HollyError, match="centre of the tomogram.*give the tomogram as well"):
        read_particles(path)
    read = read_particles(path, shape=(size, size, size), voxel_size=10.0)
    np.testing.assert_allclose(read.positions, [[5 * size, 5 * size, 5 * size - 10]])


RELION4 = """\
# version 30001
data_optics
loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnTomoTiltSeriesPixelSize #3
1 "optics group 1" 1.35

# version 30001
data_particles
loop_
_rlnTomoName #1
_rlnCoordinateX #2
_rlnCoordinateY #3
_rlnCoordinateZ #4
_rlnOriginXAngst #5
_rlnOriginYAngst #6
_rlnOriginZAngst #7
_rlnAngleRot #8
_rlnAngleTilt #9
_rlnAnglePsi #10
_rlnTomoSubtomogramRot #11
_rlnTomoSubtomogramTilt #12
_rlnTomoSubtomogramPsi #13
_rlnClassNumber #14
TS_01 100 200 300 13.5 0 0 30 40 50 90 0 0 2
TS_02 110 210 310 0 0 0 0 0 0 0 0 0 1
"""


def test_relion_4_has_pixels_shifts_and_two_rotations(tmp_path: Path) -> None:
    """A shift is along the axes of the extracted box; the particle's rotation acts first, then that of the box."""
    read = read_particles(table(tmp_path / "a.star", RELION4), voxel_size=5.4, class_names={2: "70S"})
    box = rotation_from_euler([[90, 0, 0]], "relion")[0]
    np.testing.assert_allclose(read.positions[0], np.array([135, 270, 405]) - box @ [13.5, 0, 0])
    np.testing.assert_allclose(read.rotations[0], box @ rotation_from_euler([[30, 40, 50]], "relion")[0])
    np.testing.assert_allclose(read.positions[1], np.array([110, 210, 310]) * 1.35)
    assert read.labels.tolist() == ["70S", "1"] and read.tomograms.tolist() == ["TS_01", "TS_02"]
    assert "voxels of 1.35 Å" in read.remarks[0]


def test_files_of_warp_are_read_in_pixels_and_in_fractions(tmp_path: Path) -> None:
    head = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnCoordinateZ #3\n_rlnMicrographName #4\n_rlnAutopickFigureOfMerit #5\n"
    pixels = table(tmp_path / "a.star", head + "10 20 30 warp/TS_1.tomostar 7.5\n")
    read = read_particles(pixels, voxel_size=10.0)
    np.testing.assert_allclose(read.positions, [[100, 200, 300]])
    assert read.tomograms[0] == "TS_1" and read.scores[0] == 7.5
    with pytest.raises(HollyError, match="--voxel-size"):
        read_particles(pixels)
    rows = "".join(f"{x} 0.25 0.5 TS_1.tomostar 5\n" for x in (0.1, 0.5, 1))
    fractions = table(tmp_path / "b.star", head + rows)
    read = read_particles(fractions, voxel_size=10.0, shape=(40, 80, 100))
    np.testing.assert_allclose(read.positions[1], [500, 200, 200])


def test_a_motive_list_is_read(tmp_path: Path) -> None:
    """Rows of MATLAB's numbers 1 to 20, with the shift of numbers 11 to 13; of the worked example of ``geometry.euler``."""
    rows = np.zeros((2, 20))
    rows[0, [0, 4, 7, 8, 9, 10, 16, 17, 18, 19]] = [0.4, 3, 11, 21, 31, 0.5, 30, 40, 50, 2]
    rows[1, [7, 8, 9, 19]] = [1, 1, 1, 1]
    write_volume(tmp_path / "motl.em", rows[None], 1.0)
    read = read_particles(tmp_path / "motl.em", voxel_size=10.0, class_names={2: "70S"})
    np.testing.assert_allclose(read.positions, [[105, 200, 300], [0, 0, 0]], atol=1e-5)
    assert read.labels.tolist() == ["70S", "1"] and read.tomograms.tolist() == ["3", "0"]
    assert read.scores[0] == pytest.approx(0.4)
    np.testing.assert_allclose(read.rotations[0] @ [7, 3, -4], [-0.99, 8.28, 2.10], atol=0.01)
    shown = dict(describe(tmp_path / "motl.em", voxel_size=10.0))
    assert shown["rows"].startswith("2 read, 2 used"), shown
    with pytest.raises(HollyError, match="--voxel-size"):
        read_particles(tmp_path / "motl.em")
    write_volume(tmp_path / "map.em", np.zeros((4, 5, 6)), 10.0)
    with pytest.raises(HollyError, match="is it a volume"):
        read_particles(tmp_path / "map.em", voxel_size=10.0)


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("x,y,z", "10,20,30", [10, 20, 30]),
        ("label;z;y;x", "a;30;20;10", [10, 20, 30]),
        ("class,x [nm],y [nm],z [nm]", "a,1,2,3", [10, 20, 30]),
        ("class,x [px],y [px],z [px]", "a,2.5,5,7.5", [10, 20, 30]),
        ("index,axis-0,axis-1,axis-2", "0,7.5,5,2.5", [10, 20, 30]),
    ],
)
def test_tables_of_other_columns_and_units_are_read(
    tmp_path: Path, header: str, row: str, expected: list[float]
) -> None:
    read = read_particles(table(tmp_path / "a.csv", f"{header}\n{row}\n"), voxel_size=4.0)
    np.testing.assert_allclose(read.positions, [expected])


def test_rows_without_a_position_are_left_out_and_counted(tmp_path: Path) -> None:
    read = read_particles(table(tmp_path / "a.csv", "class,x,y,z\na,1,2,3\nb,1,,3\nc,4,5,6\n"))
    assert read.labels.tolist() == ["a", "c"]
    assert (
        read.remarks[0].startswith("3 rows read, 2 used;") and "1 of 3 rows has no finite position" in read.remarks[1]
    )


def test_a_row_beyond_reason_is_left_out_and_told_with_its_value(tmp_path: Path) -> None:
    read = read_particles(table(tmp_path / "a.csv", "class,x,y,z\na,1,2,3\nb,1,-1e30,3\nc,4,5,6\n"))
    assert read.labels.tolist() == ["a", "c"] and "beyond 1e+09 (row 2: -1e+30)" in read.remarks[1]


def test_rotations_that_some_rows_lack_are_not_used(tmp_path: Path) -> None:
    text = "class,x,y,z,qx,qy,qz,qw\na,1,2,3,0,0,0,1\nb,1,2,3,,,,\nc,1,2,3,0,0,0,0\n"
    read = read_particles(table(tmp_path / "a.csv", text))
    assert read.rotations is None and any("2 rows without rotation" in remark for remark in read.remarks)


def test_numbered_classes_get_their_names(tmp_path: Path) -> None:
    path = table(tmp_path / "a.xml", '<objlist><object class_label="2" x="1" y="2" z="3"/></objlist>')
    assert read_particles(path, voxel_size=1).labels[0] == "2"
    assert read_particles(path, voxel_size=1, class_names=["70S", "FAS"]).labels[0] == "FAS"
    assert read_particles(path, voxel_size=1, class_names={"2": "FAS"}).labels[0] == "FAS"


def test_positions_outside_of_a_volume_are_found() -> None:
    inside = [[-4, 0, 0], [294, 0, 0], [0, 194, 0], [0, 0, 94]]
    outside = [[-6, 0, 0], [296, 0, 0], [0, 196, 0], [0, 0, 96]]
    found = ParticleList.of("a", inside + outside).outside((10, 20, 30), 10.0)
    assert found.tolist() == [False] * 4 + [True] * 4


def test_markers_of_chimerax_and_points_of_napari(tmp_path: Path) -> None:
    listed = ParticleList.of(["70S", "F&S"], [[10, 20, 30], [40, 50, 60]])
    write_particles(tmp_path / "a.cmm", listed)
    text = (tmp_path / "a.cmm").read_text()
    assert text.count("<marker_set ") == 2 and 'name="F&amp;S"' in text and 'x="40.000" y="50.000" z="60.000"' in text
    write_particles(tmp_path / "a.csv", listed, voxel_size=10.0, style="napari")
    assert (tmp_path / "a.csv").read_text().splitlines()[1] == "0,3.0000,2.0000,1.0000"


STAR_HEAD = "data_particles\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"
REFUSED = {
    "STAR without z": ("a.star", STAR_HEAD + "1 2\n", "lacks rlnCoordinateZ"),
    "STAR without positions": ("a.star", "data_\nloop_\n_rlnTomoName\nx\n", "lacks rlnCoordinateX, .*found rlnTomoName"),
    "STAR of too many cells": ("a.star", STAR_HEAD + "_rlnCoordinateZ #3\n1 2 3\n1 2 3 4\n", "line 7 has 4 cells, and 3"),
    "STAR of words": ("a.star", STAR_HEAD + "_rlnCoordinateZ #3\n1 2 x\n", "rlnCoordinateZ holds what is not a number"),
    "STAR without psi of the box": ("a.star", RELION4.replace("_rlnTomoSubtomogramPsi", "_rlnOther"), "lacks rlnTomoSubtomogramPsi"),
    "STAR of a pixel of 0": ("a.star", RELION4.replace("1.35", "0"), "not above 0"),
    "no STAR": ("a.star", "x y z\n1 2 3\n", "not a STAR file"),
    "empty STAR": ("a.star", "\n", "no data_ block"),
    "CSV without y": ("a.csv", "class,x,z\na,1,2\n", r"needs columns x, y, z \(y missing\); found class, x, z"),
    "CSV without names": ("a.csv", "1,2,3\n4,5,6\n", "its columns have no names"),
    "CSV in an unknown unit": ("a.csv", "x [parsec],y [parsec],z [parsec]\n1,2,3\n", "must be in one unit"),
    "CSV in two units": ("a.csv", "x [nm],y [px],z [nm]\n1,2,3\n", "must be in one unit"),
    "CSV with a word": ("a.csv", "x,y,z\n1,2,3\n1,two,3\n", "line 3"),
    "empty CSV": ("a.csv", "", "is empty"),
    "XML without z": ("a.xml", '<objlist><object x="1" y="2"/></objlist>', "objects without z"),
    "XML with a word": ("a.xml", '<objlist><object x="1" y="2" z="a"/></objlist>', "a z that is not a number"),
    "other XML": ("a.xml", "<svg><path/></svg>", "holds <path>"),
    "XML cut off": ("a.xml", '<objlist><object x="1"', "cannot be read as an object list"),
    "short table": ("a.tbl", "1 2 3\n", "line 1 has 3 columns"),
    "table of words": ("a.tbl", " ".join(["x"] * 30) + "\n", "line 1 holds what is not a number"),
    "text of words": ("a.txt", "70S 1 2 three\n", "line 1 is not of the form"),
    "text of several forms": ("a.txt", "70S 1 2 3\n70S 1 2 3 4\n", "rows of 4 and 5 cells"),
    "JSON without points": ("a.json", "{}", "holds no list of points"),
    "JSON in nm": ("a.json", '{"points": [], "unit": "nm"}', "in 'nm'"),
    "JSON without a location": ("a.json", '{"points": [{}]}', "cannot be read as picks"),
    "no JSON": ("a.json", "{", "cannot be read as picks"),
    "another suffix": ("a.mod", "", "not a list of particles by its suffix"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_list_that_cannot_be_read_ends_in_one_line(tmp_path: Path, name: str) -> None:
    file, text, says = REFUSED[name]
    with pytest.raises(HollyError, match=says) as caught:
        read_particles(table(tmp_path / file, text), voxel_size=10.0, shape=SHAPE)
    assert str(tmp_path / file) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("a.mod", {}, "not a list of particles by its suffix"),
        ("a.star", {"style": "warp9"}, "styles of .star are relion4, relion5, warp"),
        ("a.tbl", {"style": "warp"}, ".tbl has no styles"),
        ("a.tbl", {}, "give their size"),
        ("a.star", {"style": "relion5", "voxel_size": 10.0}, "give its shape"),
        ("no/a.csv", {}, "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path: Path, name: str, options: dict, says: str) -> None:
    with pytest.raises(HollyError, match=says):
        write_particles(tmp_path / name, some(), **options)
    assert [*tmp_path.iterdir()] == []


def test_a_billion_laughs_are_not_expanded(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE o [<!ENTITY e0 "ha">{entities}]><objlist><object x="&e9;" y="1" z="1"/></objlist>'
    with pytest.raises(HollyError):
        read_particles(table(tmp_path / "a.xml", text), voxel_size=1.0)


@pytest.mark.parametrize(("name", "count", "classes"), [("object_list_tomo0.xml", 2498, 12), ("object_list_valid.xml", 2490, 12), ("particle_locations_model_9.txt", 2540, 12)])  # fmt: skip
def test_the_published_lists_of_deepfinder_are_read(name: str, count: int, classes: int) -> None:
    if not (SHARED / name).is_file():
        pytest.skip("the published lists are not beside this repository")
    with pytest.raises(HollyError, match="--voxel-size"):
        read_particles(SHARED / name)
    read = read_particles(SHARED / name, voxel_size=10.0)
    assert len(read) == count and len(read.classes) == classes
    # Coordinates of tomograms of 512 x 512 x 200 voxels, thin along z.
    assert not read.outside((200, 512, 512), 10.0).any() and read.outside((150, 512, 512), 10.0).any()
    if name.endswith(".xml"):
        angles = euler_from_rotation(read.rotations, "deepfinder")
        assert angles.shape == (count, 3) and read_raw_list(SHARED / name).rotations is not None
    else:
        assert read.rotations is None and "angles were not used" in read.remarks[1]
