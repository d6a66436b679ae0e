"""`python -m sluice_transfer fetch|export|publish …`; see ../README.md."""

import sys

from sluice_transfer.main import main

if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
