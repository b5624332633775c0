"""Infrastructure of all families of methods: errors, files, progress, jobs, checkpoints."""
