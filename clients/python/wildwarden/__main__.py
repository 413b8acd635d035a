"""`python -m wildwarden ...` is `wildwarden ...`, also where its folder is not on the path."""

import os
import sys

from wildwarden.where import program

if __name__ == "__main__":
    found = str(program())
    os.execv(found, [found, *sys.argv[1:]])
