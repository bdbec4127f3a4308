"""A small U-Net that assigns every pixel of one frame to one of a few masks."""
