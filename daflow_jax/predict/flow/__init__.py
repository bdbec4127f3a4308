"""Flow of frames of any size."""
