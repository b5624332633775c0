"""The commands of ``holly-triton``: each parses, calls, and says in plain words what came of it.

Heavy imports happen inside the commands, so that ``--help`` answers at once.
"""
