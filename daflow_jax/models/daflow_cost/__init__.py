"""RAFT with a second cost volume, from descriptors that any network, or none, supplies."""
