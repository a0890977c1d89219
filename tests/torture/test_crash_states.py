"""After a power cut at any instant: the old content or the new one, and what was promised is there.

Each test records what the real durable.py does, replays every state the disk may be in (crash_states.py) and runs
the real recovery on it. The second half takes away one fsync or rename at a time and must see the first half fail.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.formats.lines import LineTail
from backend.store import durable
from tests.torture.crash_states import Recorder, violations

OLD, NEW = b"old" * 5, b"new!" * 9
RECORDS = [b'{"n": 1}', b'{"n": 2, "text": "longer"}', b'{"n": 3}']


@dataclass(frozen=True)
class Protocol:
    """One durable operation: what is there before, what is done, and what must hold afterwards."""

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Path, Recorder], None]
    check: Callable[[Path, tuple[str, ...]], str]
    num_guards: int
    """Its fsyncs and renames: each is taken away once."""
    fewest_states: int
    tidying: tuple[int, ...] = ()
    """Guards of leftovers and of names that were durable before: without them no promise is broken."""


def _commit_file(root: Path, recorder: Recorder) -> None:
    durable.commit_file(root / "config.json", NEW)
    recorder.ack("new")


def _prepare_file(root: Path) -> None:
    (root / "config.json").write_bytes(OLD)
    (root / ".tmp-config.json").write_bytes(b"left by an earlier crash")


def _check_file(root: Path, promised: tuple[str, ...]) -> str:
    found = (root / "config.json").read_bytes() if (root / "config.json").exists() else None
    durable.remove_stale(root)
    if found != NEW and (promised or found != OLD):
        return f"config.json is {found!r}"
    durable.commit_file(root / "config.json", OLD + NEW)
    return "" if (root / "config.json").read_bytes() == OLD + NEW else "cannot be written again"


def _commit_folder(root: Path, recorder: Recorder) -> None:
    def fill(staging: Path) -> dict[str, int]:
        durable.os.mkdir(staging / "optimizer")
        durable.os.mkdir(staging / "optimizer" / "state")
        recorder.write_file(staging / "adapter.safetensors", NEW)
        recorder.write_file(staging / "optimizer" / "state" / "moments.safetensors", OLD)
        return {"step": 2}

    durable.commit_folder(root / "current_model" / "step-2", fill)
    recorder.ack("step-2")


def _prepare_first_folder(root: Path) -> None:
    (root / "config.json").write_bytes(OLD)


def _prepare_second_folder(root: Path) -> None:
    def fill(staging: Path) -> dict[str, int]:
        (staging / "adapter.safetensors").write_bytes(OLD)
        return {"step": 1}

    durable.commit_folder(root / "current_model" / "step-1", fill)
    stale = root / "current_model" / ".tmp-step-2"
    stale.mkdir()
    (stale / "adapter.safetensors").write_bytes(b"left by an earlier crash")


def _newest_whole(root: Path) -> str:
    folder = root / "current_model"
    names = sorted((path.name for path in folder.glob("step-*")), reverse=True) if folder.exists() else []
    return next((name for name in names if not durable.verify_folder(folder / name)), "")


def _check_folder(root: Path, promised: tuple[str, ...], *, before: str) -> str:
    new = root / "current_model" / "step-2"
    if new.exists() and durable.verify_folder(new):
        return f"step-2 is there but not whole: {durable.verify_folder(new)}"
    found = _newest_whole(root)
    if found != "step-2" and (promised or found != before):
        return f"the newest whole checkpoint is {found!r}"
    if found == "step-2" and durable.read_manifest(new).meta != {"step": 2}:
        return "step-2 holds something else"
    if (root / "current_model").exists():
        durable.remove_stale(root / "current_model")
    return "" if _newest_whole(root) == found else "tidying up changed what is newest"


def _check_first_folder(root: Path, promised: tuple[str, ...]) -> str:
    return _check_folder(root, promised, before="")


def _check_second_folder(root: Path, promised: tuple[str, ...]) -> str:
    return _check_folder(root, promised, before="step-1")


def _copy_in(root: Path, recorder: Recorder) -> None:
    size, sha256 = durable.copy_in(root / "source.jsonl", root / "staged")
    assert (size, sha256) == durable.hash_file(root / "source.jsonl")
    recorder.ack("staged")


def _prepare_source(root: Path) -> None:
    (root / "source.jsonl").write_bytes(NEW)


def _check_copy(root: Path, promised: tuple[str, ...]) -> str:
    if not (root / "staged").exists():
        return "the copy is missing" if promised else ""
    return "" if (root / "staged").read_bytes() == NEW else "the copy is not whole"


def _append(root: Path, recorder: Recorder) -> None:
    file = durable.Appender(root / "events.jsonl")
    for record in RECORDS:
        file.append(record)
        if record != RECORDS[1]:
            file.sync()
            recorder.ack(record.decode())
    file.close()


def _check_append(root: Path, promised: tuple[str, ...]) -> str:
    num_promised = RECORDS.index(promised[-1].encode()) + 1 if promised else 0
    path = root / "events.jsonl"
    lines = LineTail(path).read()
    if lines[:num_promised] != RECORDS[:num_promised]:
        return f"promised records are missing: {lines}"
    file = durable.Appender(path)
    file.append(b"after")
    file.sync()
    file.close()
    after = LineTail(path).read()
    return "" if after[-1] == b"after" and after[:num_promised] == lines[:num_promised] else "not usable afterwards"


def _prepare_torn(root: Path) -> None:
    (root / "events.jsonl").write_bytes(b'{"n": 0}\n{"n": 1, "te')


def _check_torn(root: Path, promised: tuple[str, ...]) -> str:
    lines = LineTail(root / "events.jsonl").read()
    if lines[:1] != [b'{"n": 0}']:
        return f"what was there before is gone: {lines}"
    (root / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines[1:]))
    return _check_append(root, promised)


def _remove_tree(root: Path, recorder: Recorder) -> None:
    durable.remove_tree(root / "current_model" / "step-1")
    recorder.ack("gone")


def _prepare_tree(root: Path) -> None:
    def fill(staging: Path) -> dict[str, int]:
        (staging / "adapter.safetensors").write_bytes(OLD)
        return {"step": 1}

    durable.commit_folder(root / "current_model" / "step-1", fill)


def _check_removed(root: Path, promised: tuple[str, ...]) -> str:
    folder = root / "current_model" / "step-1"
    if promised and list((root / "current_model").iterdir()):
        return "something is left"
    if folder.exists() and durable.verify_folder(folder):
        return "half of it is left under its name"
    return ""


PROTOCOLS = [
    Protocol("commit_file", _prepare_file, _commit_file, _check_file, 3, 8),
    Protocol("commit_folder, the first", _prepare_first_folder, _commit_folder, _check_first_folder, 9, 70),
    Protocol("commit_folder, one more", _prepare_second_folder, _commit_folder, _check_second_folder, 9, 70, (0,)),
    Protocol("copy_in", _prepare_source, _copy_in, _check_copy, 3, 7),
    Protocol("append", lambda _: None, _append, _check_append, 3, 15),
    Protocol("append after a torn record", _prepare_torn, _append, _check_torn, 3, 15, (0,)),
    Protocol("remove_tree", _prepare_tree, _remove_tree, _check_removed, 3, 5),
]
MUTANTS = [
    pytest.param(protocol, skip, id=f"{protocol.name}-{skip}")
    for protocol in PROTOCOLS
    for skip in range(protocol.num_guards)
    if skip not in protocol.tidying
]


@pytest.fixture
def scratch() -> Iterator[Callable[[], Path]]:
    """Fresh empty folders, in memory where the machine has it: hundreds of states are written out and read back."""
    memory = Path("/dev/shm")
    top = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    count = iter(range(1_000_000))

    def make() -> Path:
        folder = top / str(next(count))
        folder.mkdir()
        return folder

    yield make
    shutil.rmtree(top)


def record(protocol: Protocol, root: Path, monkeypatch: pytest.MonkeyPatch, skip: int | None = None) -> Recorder:
    """Run the real protocol once, with one guard left out when `skip` is given."""
    protocol.prepare(root)
    recorder = Recorder(root, skip=skip)
    with monkeypatch.context() as patch:
        patch.setattr(durable, "os", recorder)
        patch.setattr(shutil, "os", recorder)
        protocol.act(root, recorder)
    return recorder


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_protocol_leaves_old_or_new_after_any_power_cut(
    protocol: Protocol, scratch: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = record(protocol, scratch(), monkeypatch)
    num_states, found = violations(recorder, scratch, protocol.check, stop=False)
    assert found == []
    assert num_states >= protocol.fewest_states  # or the recorder missed what the protocol did
    assert recorder.num_guards == protocol.num_guards


@pytest.mark.parametrize(("protocol", "skip"), MUTANTS)
def test_protocol_fails_when_one_fsync_or_rename_is_left_out(
    protocol: Protocol, skip: int, scratch: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        recorder = record(protocol, scratch(), monkeypatch, skip)
    except (OSError, ValueError):
        return  # the protocol itself noticed
    _, found = violations(recorder, scratch, protocol.check, stop=True)
    assert found, "nobody noticed"
