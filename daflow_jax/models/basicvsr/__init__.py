"""BasicVSR: x4 video super-resolution, recurrent in both directions."""
