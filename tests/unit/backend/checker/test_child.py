"""The checker as the process it is: limits, progress, report, and nothing heavy or reachable in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from backend.contract.datasets import CheckReport, CheckRequest
from backend.formats.token_store import TokenStore

ROOT = Path(__file__).parents[4]
RUN = [sys.executable, "-P", "-m", "backend.checker"]


@pytest.fixture
def run(
    make_model: Callable[..., Path], tmp_path: Path
) -> Callable[..., tuple[subprocess.CompletedProcess[str], Path]]:
    def run(source: Path, command: list[str] = RUN, **more: object) -> tuple[subprocess.CompletedProcess[str], Path]:
        out = tmp_path / "out"
        out.mkdir()
        request = CheckRequest(
            source=str(source),
            file_name="data.jsonl",
            out_folder=str(out),
            tokenizer_folder=str(make_model()),
            **{"max_length": 128, **more},
        )
        (tmp_path / "request.json").write_bytes(msgspec.json.encode(request))
        done = subprocess.run(
            [*command, str(tmp_path / "request.json")],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done, out

    return run


def report_of(out: Path) -> CheckReport:
    return msgspec.json.decode((out / "report.json").read_bytes(), type=CheckReport)


def rows(count: int) -> str:
    return "".join(json.dumps({"question": f"What is {n}?", "answer": f"The fox {n}."}) + "\n" for n in range(count))


def test_child_writes_report_stores_and_progress_and_ends_0(run, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.write_text(rows(400))
    done, out = run(source)
    assert (done.returncode, done.stderr) == (0, "")
    assert report_of(out).num_train == TokenStore(out / "tokens").num_rows == 400
    progress = json.loads((out / "progress.json").read_bytes())
    assert progress == {"done_bytes": source.stat().st_size, "total_bytes": source.stat().st_size, "rows": 400}


def test_child_ends_0_with_a_refusal_when_the_file_is_no_use(run, tmp_path: Path) -> None:
    done, out = run(tmp_path / "missing")
    assert (done.returncode, done.stderr) == (0, "")
    assert report_of(out).refusal.code == "unreadable"


def test_child_limits_itself_and_loads_neither_torch_nor_network_nor_planted_code(run, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('planted')")
    (tmp_path / "jinja2.py").write_text("raise SystemExit('planted')")
    probe = (
        "import resource, sys, json, os\n"
        "from backend.checker.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "names = ('RLIMIT_AS', 'RLIMIT_CPU', 'RLIMIT_NOFILE', 'RLIMIT_CORE')\n"
        "limits = {name: resource.getrlimit(getattr(resource, name))[1] for name in names}\n"
        "heavy = sorted({name.split('.')[0] for name in sys.modules} & "
        "{'torch', 'transformers', 'huggingface_hub', 'httpx2', 'socket', 'ssl', 'http', 'urllib3', 'requests'})\n"
        "print(json.dumps({'code': code, 'limits': limits, 'heavy': heavy, 'nice': os.nice(0)}))\n"
    )
    source = tmp_path / "data"
    source.write_text(rows(20))
    command = [sys.executable, "-P", "-c", probe]
    done, _ = run(source, command, max_memory_bytes=3 * 2**30, max_cpu_seconds=77)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["code"] == 0
    assert told["limits"] == {"RLIMIT_AS": 3 * 2**30, "RLIMIT_CPU": 77, "RLIMIT_NOFILE": 256, "RLIMIT_CORE": 0}
    assert told["heavy"] == []
    assert told["nice"] >= 10


def test_child_survives_a_line_of_60_mb_within_1_gb_of_address_space(run, tmp_path: Path) -> None:
    source = tmp_path / "data"
    with open(source, "w") as file:
        file.write(rows(300))
        file.write('{"question": "' + "x" * (60 * 2**20) + '", "answer": "y"}\n')
        file.write(rows(5))
    done, out = run(source, max_memory_bytes=2**30)
    assert done.returncode == 0, done.stderr
    report = report_of(out)
    assert report.problem_counts == {"line_too_long": 1}
    assert report.num_train == 305
