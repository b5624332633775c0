"""Every default of the family, one file a room; import from the room itself. ``core.config`` checks, reads and writes the settings."""
