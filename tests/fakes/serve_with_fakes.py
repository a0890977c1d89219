"""The real service with children that need neither torch nor tokenizers: `serve_with_fakes.py --workspace DIR ...`.

EVERSTEP_HASTE makes it wait less long for what a person would wait for, EVERSTEP_IMPATIENT for a trainer that hangs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from backend.service import inbox, insistence, service, status
from backend.service.__main__ import main
from backend.service.core import Programs

HERE = Path(__file__).resolve().parent


def fake_programs() -> Programs:
    python = (sys.executable, "-P")
    return Programs(
        trainer=(*python, str(HERE / "fake_trainer.py")),
        checker=(*python, str(HERE / "fake_checker.py")),
        fetcher=(*python, str(HERE / "fake_model.py")),
        converter=(*python, str(HERE / "fake_model.py")),
    )


if __name__ == "__main__":
    if os.environ.get("EVERSTEP_HASTE"):
        inbox.STILL_SECONDS = 0.4
        inbox._AFTER_ERROR_SECONDS = 0.4
        service._CLIENT_SECONDS = 0.5
    if os.environ.get("EVERSTEP_IMPATIENT"):
        insistence._ASKED_AFTER_SECONDS = insistence._ENDED_AFTER_SECONDS = 1.0
        status._STALLED_SECONDS = status._STALL_TOLD_EVERY_SECONDS = 1
    sys.exit(main(sys.argv[1:], fake_programs()))
