"""Figure 3 of Abdehkakha and Snoeyink 2023, structure-based training of localisation networks, with its controls."""
