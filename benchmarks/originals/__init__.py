"""Published PyTorch networks beside ours: time and memory of the same forward passes."""
