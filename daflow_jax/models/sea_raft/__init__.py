"""SEA-RAFT S, M and L (Wang, Lipson and Deng, ECCV 2024), as published."""
