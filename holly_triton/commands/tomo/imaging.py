"""Options of commands that average subtomograms: what the microscope and the tilts did to them."""

from collections.abc import Callable
from typing import Any, Literal

import click

from holly_triton.tomography.config.optics import Optics

from ..options import Number, given_options, of_setting, tilt_range, words

DEFAULT = Optics()
Contrast = Literal["dark", "bright"]

OPTIONS = (
    click.option("--defocus", type=Number(-100, 100), metavar="UM", help="Underfocus in µm, to restore the sign of the CTF. Leave it out for a tomogram whose CTF was corrected."),
    click.option("--voltage", type=of_setting(Optics, "voltage_kv"), default=DEFAULT.voltage_kv, show_default=True, metavar="KV"),
    click.option("--cs", type=Number(0), default=DEFAULT.cs_mm, show_default=True, metavar="MM", help="Spherical aberration."),
    click.option("--amplitude-contrast", type=Number(0, 1), default=DEFAULT.amplitude_contrast, show_default=True, metavar="SHARE"),
    click.option("--phase-shift", type=Number(-360, 360), default=DEFAULT.phase_shift_deg, show_default=True, metavar="DEG", help="Of a phase plate."),
    click.option("--tilt", callback=tilt_range, metavar="DEG|LEAST,MOST", default="60", show_default=True, help="Last tilt of a symmetric series about y, or first and last, such as -42,60; 90 is no missing wedge."),
    click.option("--contrast", type=words(Contrast), default="dark", show_default=True, help="Of protein in the tomograms; it is positive in the average."),
)  # fmt: skip


OF_THE_CTF = {"voltage": "voltage_kv", "cs": "cs_mm", "amplitude_contrast": "amplitude_contrast", "phase_shift": "phase_shift_deg"}  # fmt: skip
"""Options that change the CTF, which a defocus switches on, and their names in ``Optics``."""


def imaging_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What ``optics_of`` and the range of tilts need."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def check_defocus(defocus: float | None) -> None:
    """Refuse options of the CTF without a defocus, without which none is applied."""
    asked = [name for name in given_options(click.get_current_context()) if name in OF_THE_CTF]
    if defocus is None and asked:
        raise click.UsageError(
            f"--{asked[0].replace('_', '-')} is of the CTF, which needs --defocus; give both or neither"
        )


def optics_of(given: dict[str, Any]) -> Optics | None:
    """The optics of a command's options, which are taken out of ``given``, all but the contrast; None without a defocus."""
    check_defocus(given["defocus"])
    values = {"defocus_um": given.pop("defocus")} | {renamed: given.pop(name) for name, renamed in OF_THE_CTF.items()}
    return None if values["defocus_um"] is None else Optics(**values, contrast=given["contrast"])
