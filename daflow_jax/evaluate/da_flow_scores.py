"""Scores that the DA-Flow paper prints for degraded frames (arXiv 2603.23499v1, Tables 1 and 3).

They are the paper's, not measured here. EPE in pixels, shares of errors above 1, 3 and 5 px in
percent. Table 1's row of DA-Flow is the mean of Table 3 over the ten denoising steps; the mean of
Spring's shares above 5 px in Table 3 is 8.98, and Table 1 prints 8.91.
"""

SETS = {"sintel": "Sintel", "spring": "Spring", "tartanair": "TartanAir"}  # in the paper's order
METRICS = ("epe", "out1", "out3", "out5")
_TABLE_1 = """
RAFT 10.693 62.91 37.24 28.63 3.944 39.82 18.65 11.98 9.487 75.17 42.96 30.04
SEA-RAFT 10.185 59.56 34.46 26.15 2.703 41.51 19.31 12.11 8.316 77.85 45.76 32.15
FlowSeek 10.241 64.08 40.71 31.83 2.861 41.53 19.16 12.18 7.694 76.96 45.20 32.00
DA-Flow 6.912 55.80 28.10 20.91 2.207 30.95 13.87 8.91 8.866 72.35 37.61 25.40
"""
_TABLE_3 = """
sintel epe 7.021 6.781 6.720 6.716 6.743 6.761 6.803 6.874 7.064 7.640
sintel out1 57.04 56.81 56.39 55.97 55.52 55.12 54.79 54.72 54.64 57.03
sintel out3 28.58 28.06 27.67 27.52 27.56 27.71 27.88 28.14 28.40 29.52
sintel out5 21.33 20.80 20.49 20.39 20.43 20.57 20.80 21.01 21.29 21.98
spring epe 2.290 2.212 2.207 2.203 2.201 2.204 2.201 2.193 2.192 2.172
spring out1 30.49 31.01 31.06 30.99 31.05 31.23 31.23 31.06 30.88 30.54
spring out3 14.16 13.95 13.94 13.94 13.95 13.96 13.91 13.82 13.75 13.33
spring out5 9.230 9.000 8.990 8.97 8.96 8.940 8.910 8.940 8.940 8.940
tartanair epe 6.674 8.675 8.926 8.955 9.076 9.384 9.696 10.06 9.951 7.257
tartanair out1 72.96 73.07 72.66 72.29 72.01 71.82 71.69 71.69 71.65 73.63
tartanair out3 37.34 38.00 37.71 37.46 37.38 37.42 37.47 37.53 37.47 38.28
tartanair out5 24.57 25.53 25.34 25.19 25.23 25.42 25.62 25.79 25.71 25.59
"""


def of_methods() -> dict[str, dict[str, dict[str, float]]]:
    """Returns {method: {set: {metric: value}}} of Table 1; sets are the keys of `SETS`."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for line in _TABLE_1.split("\n")[1:-1]:
        name, *values = line.split()
        numbers = iter(map(float, values))
        found[name] = {known: {metric: next(numbers) for metric in METRICS} for known in SETS}
    return found


def of_steps() -> dict[str, dict[str, list[float]]]:
    """Returns {set: {metric: values of denoising steps 0 to 9}} of Table 3."""
    found: dict[str, dict[str, list[float]]] = {known: {} for known in SETS}
    for line in _TABLE_3.split("\n")[1:-1]:
        known, metric, *values = line.split()
        found[known][metric] = [float(value) for value in values]
    return found
