"""``python -m fastmlp``."""

from fastmlp._cli.fit import main

if __name__ == "__main__":
    main()
