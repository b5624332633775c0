"""A project: from a movie of camera frames, or a table of localisations, to a structure and one report.

The chain calls the public entry points of ``frames`` and ``particles``, which do not import each other. Each step has a folder
of its own; what is done is not repeated.
"""
