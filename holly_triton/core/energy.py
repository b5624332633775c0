"""How much energy a run takes, where the machine keeps count of it."""

import os
from functools import partial
from pathlib import Path

import torch

PROCESSOR_COUNTERS = Path("/sys/class/powercap")
"""Linux's counters of processor packages (RAPL), in microjoules; most systems let only root read them."""


class EnergyMeter:
    """Reads how much energy a device uses: a GPU its own and not its host's, a processor its packages'."""

    def __init__(self, device: torch.device) -> None:
        self.read = partial(_gpu_joules, device) if device.type == "cuda" else _processor_joules
        self.before = self.read()

    def joules(self) -> float:
        """What was used since the last call, J; 0 where nothing counts it, or the counter has started again."""
        now, before = self.read(), self.before
        self.before = now
        return 0.0 if now is None or before is None else max(0.0, now - before)


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
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return None  # torchrun's first process on a machine counts for all there
    try:
        domains = PROCESSOR_COUNTERS.glob("intel-rapl:?")  # packages, and on some machines one that holds them all
        packages = [domain for domain in domains if (domain / "name").read_text().startswith("package")]
        readings = [int((package / "energy_uj").read_text()) for package in packages]
    except (OSError, ValueError):
        return None
    return sum(readings) / 1e6 if readings else None
