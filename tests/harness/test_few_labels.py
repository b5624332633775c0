"""The table of particles of few labels: what is simulated, and how records become rows."""

import json
from pathlib import Path

from holly_triton.harness import few_labels


def test_particles_of_ten_sites() -> None:
    for case in (one for one in few_labels.CASES if one.missing == 0.7):
        data = case.simulation(0).localisations
        assert len(data) == case.particles and 9 <= float(data.counts.median()) / case.fluorophores <= 11
        assert data.xyz.shape[1] == case.dimensions
        assert bool((data.counts % case.fluorophores == 0).all())  # a site that is labelled has all of them


def test_records_become_rows_by_case_and_way(tmp_path: Path) -> None:
    case, other = few_labels.Case(3, 1000, 0.7, 4), few_labels.CASES[0]
    for way, errors in (("each localisation", (1.0, 3.0, 8.0)), ("the best pose", (4.0,))):
        for seed, error in enumerate(errors):
            run = {**case._asdict(), "localisations": 40.0, "way": way, "seed": seed, "rmsd": error, "layers": 60.0}
            run |= {"radius": 50.0, "scatter": 5.0, "cpu": 9.0}
            (tmp_path / f"{way}-{seed}.json").write_text(json.dumps(run))
            if seed == 0:
                (tmp_path / f"2d-{way}.json").write_text(json.dumps({**run, **other._asdict(), "way": way}))
    found = few_labels.report(tmp_path)
    assert "| 3 | 1000 | 0.7 | 40 | 32 | each localisation | 3 (1, 3, 8) |" in found
    assert "| 3 | 1000 | 0.7 | 40 | 32 | the best pose | 4 |" in found
    assert found.index("| 2 | 2000") < found.index("| 3 | 1000")
