"""``python -m avrec.cli`` is ``avrec``."""

import sys

from avrec.cli.ending import main

sys.exit(main())
