"""What is installed on this machine, which of it works, and what to do about the rest.

Each part that may fail in a way of its own (PyTorch, Triton, drawing) is tried in a process of its own, all at the same time:
a library that ends the process is one line of the result.
"""
