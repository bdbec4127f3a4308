"""RIFE: frames between two frames by flow from the new frame to both (Huang et al., ECCV 2022)."""
