"""``python -m fastmlp``."""

import sys

from fastmlp._cli.fit import main

if __name__ == "__main__":
    sys.exit(main())
