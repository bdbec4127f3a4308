"""Motion scores of videos, to filter data: speeds, camera against objects, cuts, degradation.

    from daflow_jax.evaluate import motion
    from daflow_jax.io import video

    frames, stamps = video.split(video.timed("clip.mp4"))
    found = motion.score(frames, times=(stamp.time for stamp in stamps))
    print(found.sides_mean, found.camera_share, found.cuts)

`docs/score.md` says what every number means.
"""

from daflow_jax.evaluate.motion.scores import PAIRS, score
from daflow_jax.evaluate.motion.summary import Cut, MotionScore

__all__ = ["PAIRS", "Cut", "MotionScore", "score"]
