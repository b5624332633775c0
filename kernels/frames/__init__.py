"""Camera frames: emitters drawn with a tabulated PSF, and the likelihood of emitters under a network's output."""
