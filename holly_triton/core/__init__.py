"""What every family of methods needs and none is about: errors, files, progress, jobs, checkpoints."""
