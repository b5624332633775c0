"""How much energy a run takes, where the machine keeps count of it."""

from pathlib import Path

import torch

PROCESSOR_COUNTERS = Path("/sys/class/powercap")
"""Linux's counters of processor packages (RAPL), in microjoules; most systems let only root read them."""


def energy_joules(device: torch.device) -> float | None:
    """What the device has used since some fixed moment, J; None where nothing reports it.

    A GPU counts its own energy and not its host's; a processor counts its packages. Counters start again from
    zero now and then, so a difference of two readings may be negative and is then of no use.
    """
    return _gpu_joules(device) if device.type == "cuda" else _processor_joules()


def _gpu_joules(device: torch.device) -> float | None:
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    # The driver's library, not part of any package, raises errors of its own where it or a counter is missing.
    except Exception:
        return None


def _processor_joules() -> float | None:
    try:
        packages = [package / "energy_uj" for package in PROCESSOR_COUNTERS.glob("intel-rapl:?")]
        readings = [int(counter.read_text()) for counter in packages]
    except (OSError, ValueError):
        return None
    return sum(readings) / 1e6 if readings else None
