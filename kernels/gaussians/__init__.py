"""Gaussians drawn into pictures, and the loss that compares them with pictures: PyTorch, Triton and the dense reference."""
