"""Frames between frames of any size."""
