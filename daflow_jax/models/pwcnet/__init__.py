"""PWC-Net: pyramid, warping and cost volume (Sun et al., CVPR 2018)."""
