"""Models for serving: a fixed-size function as StableHLO, or a smaller model folder."""
