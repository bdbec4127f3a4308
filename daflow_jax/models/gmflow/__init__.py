"""GMFlow: flow by global matching of features (Xu et al., CVPR 2022)."""
