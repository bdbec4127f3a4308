"""Published checkpoints to our parameters: a reader, an engine, and one table of rules per model."""
