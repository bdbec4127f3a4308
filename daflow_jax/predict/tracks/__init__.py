"""Tracks of a clip that a network was fitted to."""
