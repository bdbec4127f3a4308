"""OmniMotion (Wang et al., ICCV 2023): the motion of a clip as a bijection to one space."""
