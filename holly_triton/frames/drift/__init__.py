"""Drift of the sample: measured by redundant cross-correlation of the localisations, and taken away.

Wang, Schnitzbauer, Hu, Li, Cheng, Huang, Huang, Localization events-based sample drift correction for localization microscopy
with redundant cross-correlation algorithm, Optics Express 22 (2014) 15982.
"""
