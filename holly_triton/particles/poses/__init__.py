"""Methods that estimate the pose of each particle."""
