"""The commands of ``holly-triton``: each parses its arguments, calls the library and reports the outcome in plain words.

Heavy imports happen inside the commands, so that ``--help`` answers at once.
"""
