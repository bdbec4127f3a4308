"""Segmenters, called on frames."""
