"""Do features make flow of degraded frames better? Arms that share a start, clips and time.

`arms` has what is compared, `start` its first weights, `task` its losses, `training` the loop,
`evaluation` the errors, `report` the tables, `__main__` the commands.
"""
