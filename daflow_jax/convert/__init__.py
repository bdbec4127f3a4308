"""Published checkpoints to our parameters: a reader, an engine, one table of rules per model."""
