"""Residual networks (He et al., CVPR 2016) as encoders of dense features."""
