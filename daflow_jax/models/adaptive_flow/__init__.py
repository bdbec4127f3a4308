"""A flow network with weights for clean and for degraded frames, blended clip by clip."""
