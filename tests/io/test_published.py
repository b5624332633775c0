"""Every published file of localisations beside this repository is described and opened, or gives one clear line."""

from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.data import open_dataset
from holly_triton.particles.info import describe

DATA = Path(__file__).parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the published files are not beside this repository")

PX = {"unit": "px", "pixel_size_nm": 130.0}
MATRIX = {"columns": "x=1,y=2,frame=4,precision=5,photons=6", "unit": "nm"}

PARTICLES: dict[str, tuple[dict, int, int, float, float | None]] = {
    # Options, particles, localisations, extent in nm, precision in nm.
    "npc-particles/fig5k_306_3DNUP_PAINT.mat": ({}, 306, 27_006, 195, None),
    "npc-particles/fig4e_304_2D_gp210.mat": ({}, 304, 95_301, 290, None),
    "npc-particles/SimulatedNup107With65%DOL.mat": ({}, 200, 8_308, 202, 1.6),
    "origami-tud/tud_dol30.mat": (PX, 549, 248_843, 99, 0.72),
    "npc-simulated-gt/data.mat": (PX, 100, 57_178, 166, 2.86),
    "picasso/samples/data/raw_movie_locs_picked.hdf5": ({}, 9, 2_378, 94, 2.25),
    "tetrahedra/iso": ({"unit": "px", "pixel_size_nm": 100.0}, 15, 7_955, 167, None),
    "tetrahedra/aniso": ({"unit": "px", "pixel_size_nm": 100.0}, 15, 7_955, 167, None),
}
FIELDS: dict[str, tuple[dict, int, str]] = {
    # Options, localisations, extent.
    "npc-field-veatch/sampledata_npc.mat": ({}, 57_778, "8885 x 8044 nm"),
    "centriole-smlm/real_Cent_1.mat": (MATRIX, 3_573, "656.8 x 511 nm"),
    "centriole-smlm/real_Cent_2.mat": (MATRIX, 3_419, "469.4 x 384.3 nm"),
    "centriole-smlm/real_Cent_large.mat": (MATRIX, 70_508, "3091 x 2507 nm"),
    "picasso/samples/data/raw_movie_locs.hdf5": ({}, 2_399, "2239 x 2064 nm"),
    "picasso/tests/data/testdata_locs.hdf5": ({}, 564, "2641 x 2661 nm"),
    "locan-formats/Thunderstorm_dstorm_data.csv": ({}, 19, "1.525e+04 x 2.651e+04 nm"),
    "locan-formats/Nanoimager_dstorm_data.csv": ({}, 14, "4.469e+04 x 6.647e+04 nm"),
    "locan-formats/Elyra_dstorm_data.txt": ({}, 15, "2.461e+04 x 2.39e+04 nm"),
    "locan-formats/rapidSTORM_dstorm_data.txt": ({}, 14, "2.872e+04 x 2.545e+04 nm"),
    "locan-formats/rapidSTORM_from_images.txt": ({}, 12, "2159 x 2962 nm"),
    "locan-formats/decode_dstorm_data.h5": ({}, 96, "291.9 x 233.2 x 1822 nm"),
    "locan-formats/smap_dstorm_data.mat": ({}, 4_884, "2.656e+04 x 2.58e+04 x 4800 nm"),
    "locan-formats/SMLM_dstorm_data.smlm": ({}, 10, "1.256e+04 x 1.298e+04 nm"),
}
REFUSED = {
    "npc-simulated-gt/NPCModel.mat": "its columns have no names",
    "npc-simulated-gt/NPCModel16.mat": "its columns have no names",
    "locan-formats/npc_gp210.asdf": "is of no known format",
    "locan-formats": "holds data of several kinds",
}


@pytest.mark.parametrize("name", PARTICLES)
def test_particles(name: str) -> None:
    options, particles, localisations, extent, precision = PARTICLES[name]
    data = open_dataset(DATA / name, **options)
    rows = describe(DATA / name, **options)
    assert len(data) == particles == int(rows["particles"])
    assert len(data.xyz) == localisations  # type: ignore[union-attr]
    assert 2 * data.radius_nm == pytest.approx(extent, rel=0.01) and "right?" not in rows["notes"]
    assert data.finest_nm == pytest.approx(precision or 0, rel=0.02)


@pytest.mark.parametrize("name", FIELDS)
def test_fields_of_view(name: str) -> None:
    options, localisations, extent = FIELDS[name]
    rows = describe(DATA / name, **options)
    assert (rows["localisations"], rows["extent"]) == (str(localisations), extent)
    assert "holly-triton pick" in rows["can be trained on"]
    assert np.isfinite(read_rows(DATA / name, Reading(**options)).whole().xyz).all()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_set_says_so(name: str) -> None:
    with pytest.raises(HollyError, match=REFUSED[name]):
        describe(DATA / name)


@pytest.mark.parametrize("name", ["origami-tud/tud_dol30.mat", "npc-simulated-gt/data.mat", "tetrahedra/iso"])
def test_positions_in_another_unit_raise_a_doubt(name: str) -> None:
    assert "check the unit" in describe(DATA / name)["notes"]


def test_molecules_that_are_single_points_and_few_blobs_are_described() -> None:
    molecules = describe(DATA / "picasso/samples/data/egfr_mols.hdf5")
    assert molecules["particles"] == "4230" and "every particle has one localisation" in molecules["can be trained on"]
    blobs = describe(DATA / "locan-formats/five_blobs_3D.txt")
    assert blobs["particles"] == "5" and "at least 8 are needed" in blobs["can be trained on"]
