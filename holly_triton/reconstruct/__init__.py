"""From pictures to a structure: schedule, pose search, gradient steps, tidying, checkpoints."""
