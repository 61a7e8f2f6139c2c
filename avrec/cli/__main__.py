"""``python -m avrec.cli`` is ``avrec``."""

import sys

from avrec.cli.app import main

sys.exit(main())
