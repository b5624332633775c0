"""The endless stream of training frames: batch i follows from the seed and i alone, so that any step can be repeated."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from holly_triton.frames.camera import Camera, MappedCamera, PixelMaps
from holly_triton.frames.config.simulation import FrameSettings
from holly_triton.frames.config.training import ON_TIME, Training
from holly_triton.frames.psf import Psf
from holly_triton.frames.samplers import Sampler, make_sampler
from holly_triton.frames.simulate import Batch, draw_batch


@dataclass(frozen=True)
class Stream:
    """Frames of one kind, simulated on a device."""

    sampler: Sampler
    psf: Psf
    camera: Camera
    settings: FrameSettings
    seed: int
    device: torch.device

    @staticmethod
    def of(training: Training, psf: Psf, camera: Camera, device: torch.device) -> "Stream":
        """The frames of a training.

        Raises:
            HollyError: The structure can't be used.
        """
        sampler = make_sampler(training.sampling, psf.z_range_nm, training.structure)
        frames = windowed(training.frames, training.network.frames_at_once)
        return Stream(sampler, psf.to(device), _on(camera, device), frames, training.seed, device)

    def draw(self, purpose: int, number: int, frames: int, side_px: int) -> Batch:
        """Some frames, always the same for the same arguments; photons are ``[B, T, H, W]`` also where T is 1.

        Args:
            purpose: Frames for different purposes are independent.
            number: Of the batch.
            frames: B.
            side_px: H and W.
        """
        seed = np.random.SeedSequence([self.seed, purpose, number]).generate_state(1, np.uint64)[0]
        generator = torch.Generator(self.device).manual_seed(int(seed >> np.uint64(1)))
        shape = (side_px, side_px)
        batch = draw_batch(self.sampler, self.psf, self.camera, self.settings, frames, shape, generator)
        return batch if self.settings.window > 1 else batch._replace(photons=batch.photons[:, None])


def windowed(settings: FrameSettings, frames_at_once: int) -> FrameSettings:
    """The settings for so many consecutive frames, which need emitters that last."""
    on_time = settings.on_time if frames_at_once == 1 else settings.on_time or ON_TIME
    return replace(settings, window=frames_at_once, on_time=on_time)


def _on(camera: Camera, device: torch.device) -> Camera:
    """A camera whose maps, if it has any, are on a device."""
    if not isinstance(camera, MappedCamera):
        return camera
    return replace(camera, maps=PixelMaps(*(None if part is None else part.to(device) for part in camera.maps)))
