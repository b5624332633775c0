"""Camera frames of blinking emitters to localisations in 3D (structure-based training: Abdehkakha and Snoeyink 2023)."""
