"""DiT4SR (Duan et al., ICCV 2025) on SD3.5-medium, lifted to clips (DA-Flow, sec. 4.2)."""
