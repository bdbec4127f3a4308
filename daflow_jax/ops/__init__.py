"""Array functions: pure, stateless, float pixels in, float pixels out."""
