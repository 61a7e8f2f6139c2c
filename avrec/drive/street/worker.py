"""One process's share of a street: its plan comes on standard input, a line for each finished job goes out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2

from avrec.drive.street.plan import Plan
from avrec.drive.street.record import Recorder
from avrec.errors import AvrecError

__all__ = ["main"]


def main() -> int:
    """Do jobs ``first``, ``first + step``, ... of the plan; 0, or 3 after writing what went wrong."""
    cv2.setNumThreads(1)
    order = json.load(sys.stdin)
    try:
        recorder = Recorder(Plan.from_dict(order["plan"]), Path(order["root"]))
        for job in recorder.jobs()[order["first"] :: order["step"]]:
            recorder.run(*job)
            sys.stdout.write("done\n")
            sys.stdout.flush()
    except (AvrecError, OSError) as error:
        sys.stderr.write(str(error))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
