"""Training data: where clips come from, what is done to them, and how they become batches."""
