"""A trained model as a fixed-size function, or as another folder."""
