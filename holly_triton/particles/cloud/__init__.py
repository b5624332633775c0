"""The point cloud and the loop that reconstructs it: objective, schedule, state, training."""
