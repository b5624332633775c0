"""``python -m holly_triton``, the same as the command ``holly-triton``."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="holly-triton")
