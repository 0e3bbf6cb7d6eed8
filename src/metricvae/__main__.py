"""`python -m metricvae` is `metricvae`."""

import sys

from metricvae.cli import main

if __name__ == "__main__":
    sys.exit(main())
