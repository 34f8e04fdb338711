"""`python -m procrastinate_app`, also installed as `ximilar-sync`."""

from __future__ import annotations

import sys

from .cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
