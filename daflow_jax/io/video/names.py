"""Which names are videos, and which of FFmpeg's readers belong to them."""

from pathlib import Path

# Readers that open the one named file only; playlists, image patterns and devices are not here.
DEMUXERS = {
    ".mp4": ("mov",),
    ".mov": ("mov",),
    ".m4v": ("mov",),
    ".avi": ("avi",),
    ".mkv": ("matroska",),
    ".webm": ("matroska",),
    ".gif": ("gif",),
    ".mpg": ("mpeg", "mpegts", "mpegvideo"),
    ".mpeg": ("mpeg", "mpegts", "mpegvideo"),
    ".ts": ("mpegts",),
    ".m2ts": ("mpegts",),
    ".mts": ("mpegts",),
}
EXTENSIONS = tuple(DEMUXERS)
ALLOWED = tuple(sorted({name for names in DEMUXERS.values() for name in names}))


def is_video(path: str | Path) -> bool:
    """Returns whether the name of `path` ends like a video."""
    return Path(path).suffix.lower() in DEMUXERS


def extension_of(demuxer: str) -> str:
    """Returns the usual extension of what `demuxer` (one of `ALLOWED`) reads."""
    return next(extension for extension, names in DEMUXERS.items() if demuxer in names)
