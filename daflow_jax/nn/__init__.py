"""Linen building blocks shared by the models."""
