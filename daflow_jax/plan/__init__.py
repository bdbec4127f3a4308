"""What a program will need on machines that are not there: compiled ahead of time, then read."""
