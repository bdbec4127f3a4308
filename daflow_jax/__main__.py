"""`python -m daflow_jax` is the command `daflow`."""

import sys

from daflow_jax import cli

if __name__ == "__main__":
    sys.exit(cli.main())
