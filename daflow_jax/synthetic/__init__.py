"""Clips of moving textured layers with exact flow: `host` (numpy) and `device` (jax)."""
