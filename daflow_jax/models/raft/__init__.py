"""RAFT and RAFT-small (Teed and Deng, ECCV 2020), as published."""
