"""MaskFormer (Cheng et al., NeurIPS 2021) as Guess What Moves uses it: masks without classes."""
