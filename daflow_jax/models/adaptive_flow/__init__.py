"""A flow network whose weights change, clip by clip, with how degraded the frames look."""
