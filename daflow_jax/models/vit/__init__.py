"""Vision transformers (Dosovitskiy et al., ICLR 2021) as encoders of dense features."""
