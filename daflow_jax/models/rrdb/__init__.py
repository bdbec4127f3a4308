"""RRDB: the blind x4 restorer of Real-ESRGAN, a frame at a time."""
