"""The demonstration: a known structure is simulated and reconstructed in one command."""

import dataclasses
from pathlib import Path

import torch

from holly_triton.core.log import LOG
from holly_triton.core.stop import DONE
from holly_triton.io.clouds import write_cloud
from holly_triton.particles.run.run import check_place
from holly_triton.particles.run.scoring import explain_cloud, score_cloud
from holly_triton.particles.run.training import start_training
from holly_triton.structures import cep152

from .config import DEMO, Config
from .simulate import simulate
from .simulated_files import write_simulation


def run_demo(folder: Path, *, quick: bool, overwrite: bool) -> int:
    """Simulate the paper's CEP152 model, reconstruct it, evaluate and draw it; return the exit code of the training.

    The data and the truth are written to ``folder / "data"``, and the truth also to ``folder / "truth.ply"``.

    Raises:
        HollyError: The folder exists or can't be written.
    """
    check_place(folder, overwrite)
    data, truth = folder / "data", folder / "truth.ply"
    images = DEMO.quick_images if quick else DEMO.images
    LOG.info(
        "Simulating %d pictures of a centriole complex, two cylinders 356 and 125 nm across, each in a random "
        "orientation, %.0f %% of the labels missing, label scatter %.0f nm.", images, 100 * DEMO.missing, DEMO.scatter_nm,
    )  # fmt: skip
    structure = cep152()
    generator = torch.Generator().manual_seed(DEMO.seed)
    made = simulate(structure, images, scatter_nm=DEMO.scatter_nm, missing=DEMO.missing, generator=generator)
    write_simulation(data, made)
    config = dataclasses.replace(Config(data=str(data), points=DEMO.points), seed=DEMO.seed)
    code = start_training(config.quick() if quick else config, folder, overwrite=True)
    if code != DONE:
        return code
    write_cloud(truth, structure)
    print(explain_cloud(score_cloud(folder, truth, None)))
    picture = folder / "pictures" / "truth.png"
    drawn = f"{picture} shows the result (blue) over the truth (orange). " if picture.is_file() else ""
    print(
        f"{drawn}The large cylinder has eightfold symmetry. The small "
        "one crosses its side at a right angle, slightly off centre, a detail that the published method does not recover. "
        f"See {folder / 'report.html'} for the figures, the curves and the input pictures."
    )  # fmt: skip
    return DONE
