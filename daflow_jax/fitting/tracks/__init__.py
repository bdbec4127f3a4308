"""OmniMotion's fit of one clip."""
