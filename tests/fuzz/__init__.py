"""Made-up broken and hostile inputs: `python -m tests.fuzz --cases 2000 --seed 1`.

mutate: bytes of good files, damaged. grammars: files written wrong on purpose. seeds: the good
files. cases: what is run on what. worker: the process that runs it. watchdog: starts the worker,
measures, kills. rules: what must hold afterwards.
"""
