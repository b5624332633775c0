"""Ways to find the pose of each particle."""
