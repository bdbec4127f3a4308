"""Networks that are fitted to one clip, by its flow alone: tracks and masks."""
