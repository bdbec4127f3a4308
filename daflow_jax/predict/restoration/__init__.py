"""Restored frames of any size."""
