"""JFFRA: video restoration by joint refinement of flow and features (arXiv 2505.16434)."""
