"""TFDS builders of published data sets and of a user's folders; run from a checkout."""
