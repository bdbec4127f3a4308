"""Features of frames of any size."""
