"""Keys of a vision transformer's attention as dense features."""
