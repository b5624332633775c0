"""The plugin for napari: readers of localisations, particle lists, tomograms and clouds, and a widget that picks particles.

napari finds it by the entry point ``napari.manifest`` as soon as both are installed in one environment. It lies in this package, so that
it always reads what this version writes; it imports napari only when a widget of napari calls it. World coordinates of all layers
are in nm, so that they lie over each other; axes are z, y, x.
"""
