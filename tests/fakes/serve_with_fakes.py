"""The real service with children that need neither torch nor tokenizers: `serve_with_fakes.py --workspace DIR ...`."""

from __future__ import annotations

import sys
from pathlib import Path

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
    sys.exit(main(sys.argv[1:], fake_programs()))
