"""Training objectives: array functions, one family a file."""
