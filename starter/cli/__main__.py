"""`python -m starter.cli`, for where the console script is not on the path."""

import sys

from starter.cli import main

sys.exit(main())
