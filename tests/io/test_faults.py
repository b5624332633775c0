"""Files of users that went wrong, where they are at hand: what is read of each, and what is said."""

from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.particles.data import open_dataset
from holly_triton.particles.info import describe

FAULTS = Path(__file__).parents[3] / "shared" / "faults"


@pytest.mark.skipif(not FAULTS.is_dir(), reason="needs ../shared/faults")
@pytest.mark.parametrize(
    ("name", "options", "extent", "precision", "said"),
    [
        ("angstrom.csv", {}, None, None, ""),
        ("microns.csv", {}, None, None, ""),
        ("nanometers.csv", {}, None, None, ""),
        ("decode.csv", {}, (5806, 5793, 139.3), 5.006, "z states no unit"),
        ("decode.csv", {"unit": "px", "pixel_size_nm": 100.0}, (5806, 5793, 139.3), 5.006, "z states no unit"),
        ("picasso_plain.csv", {"unit": "px", "pixel_size_nm": 130.0}, None, 5.016, "z states no unit"),
        ("picasso_plain.csv", {"pixel_size_nm": 130.0}, None, 5.016, "Picasso"),
        ("metres.csv", {"unit": "m"}, None, 5, ""),
        ("oni.csv", {"channel": "1"}, None, 5.0, "--channel keeps"),
        ("oni.csv", {}, (10810, 5793), 5.006, "2 channels"),
        ("rainstorm.csv", {}, (2959, 2287), 5.021, "x_nm and y_nm, not from x_coord"),
        ("quickpalm.txt", {}, (2959, 2287, 132), None, "X_(nm), Y_(nm) and Z_(nm), not from X_(px)"),
        ("quickpalm.txt", {"columns": "x=X_(nm),y=Y_(nm)"}, (2959, 2287, 132), None, ""),
        ("quickpalm.xls", {}, (2959, 2287, 132), None, "X_(nm)"),
        ("peakselector.txt", {"unit": "px", "pixel_size_nm": 133.0}, (2959, 2287, 132), 5.014, "2 channels"),
        ("smap.csv", {}, (2959, 2287, 132), 5.021, "2 channels"),
        ("vutara.csv", {}, (2959, 2287, 132), 5.021, "2 channels"),
        ("zola.csv", {}, (2959, 2287, 132), 5.021, ""),
        ("nanoj.csv", {}, (2959, 2287), None, ""),
        ("thunderstorm.xls", {}, (5806, 5793), 5.006, ""),
        ("leica.ascii", {"unit": "px", "pixel_size_nm": 100.0}, (5806, 5793, 139.3), None, ""),
        ("visp.3d", {}, (5806, 5793, 139.3), None, ""),
        ("chimerax_storm.txt", {}, (5806, 5793, 139.3), None, ""),
        ("excel_sep.csv", {}, None, None, "decimal commas"),
        ("fields", {}, None, 4.98, "side by side"),
    ],
    ids=str,
)
def test_a_user_s_file_is_read_right(
    name: str, options: dict, extent: tuple[float, ...] | None, precision: float | None, said: str
) -> None:
    screen = describe(FAULTS / name, **options)
    if extent is not None:
        np.testing.assert_allclose([float(word) for word in screen["extent"].split()[:-1:2]], extent, rtol=2e-3)
    elif name != "fields":
        assert "not marked" in screen["particles"] or 100 < float(screen["extent"].split()[0]) < 300
    assert screen["localisation precision"].startswith("not stated" if precision is None else f"{precision:.3g}"[:3])
    assert said in screen["notes"]


@pytest.mark.skipif(not FAULTS.is_dir(), reason="needs ../shared/faults")
@pytest.mark.parametrize(
    ("name", "doubt"),
    [("picasso_z130.csv", "is z in another unit"), ("metres.csv", "--unit m"), ("fields", "fields of view")],
)
def test_a_user_s_file_is_doubted(name: str, doubt: str) -> None:
    assert doubt in " ".join(describe(FAULTS / name).values())
    if name in ("fields", "metres.csv"):
        with pytest.raises(HollyError, match=doubt):
            open_dataset(FAULTS / name)
    else:
        assert any(doubt in note for note in open_dataset(FAULTS / name).notes)
