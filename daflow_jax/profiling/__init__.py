"""What a program costs: FLOPs of a traced function, peak rates of accelerators."""
