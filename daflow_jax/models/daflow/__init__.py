"""DA-Flow: RAFT that also matches the features of a restoration backbone (arXiv 2603.23499)."""
