"""The image autoencoder of Stable Diffusion 3."""
