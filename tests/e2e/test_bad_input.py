"""Everything that can be wrong with what a person gives: one clear sentence at the prompt, and the queue goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.proof import Engine, write_rows
from tests.e2e.prompt import DROP_ROOT_READING, SMALL_MODEL_SETTINGS, Prompt, until_true

AS_ANYBODY = DROP_ROOT_READING if os.geteuid() == 0 else ()
ROW = {"question": "What is two plus two?", "answer": "Four."}


@pytest.fixture(scope="module")
def engine(folder: Path, tiny_model: Path) -> Iterator[Engine]:
    with Engine(folder / "workspace", prefix=AS_ANYBODY) as engine:
        engine.start()
        engine.set_up(tiny_model, SMALL_MODEL_SETTINGS)
        engine.api.call("stop", now=True)
        engine.add(write_rows(folder / "good.jsonl", 20, seed=1))
        yield engine


@pytest.fixture
def prompt(engine: Engine) -> Iterator[Prompt]:
    """The prompt; afterwards the good file must still wait."""
    prompt = Prompt(engine.workspace.root, prefix=AS_ANYBODY)
    yield prompt
    assert [job["state"] for job in engine.jobs().values() if job["file_name"] == "good.jsonl"] == ["queued"]


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def a_binary_file(path: Path) -> Path:
    path.write_bytes(b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 40)
    return path


def broken_lines(path: Path) -> Path:
    path.write_text('{"question": "What is\n' * 12, encoding="utf-8")
    return path


def a_wrong_encoding(path: Path) -> Path:
    path.write_bytes(b'{"question": "\xff\xfe\x81\x8d\x8f?", "answer": "\x90\x9d\xc3\x28\xa0\xa1"}\n' * 12)
    return path


def an_unknown_format(path: Path) -> Path:
    return lines(path, *[{"latitude": 52.5, "longitude": 13.4, "number": n} for n in range(12)])


def no_supervised_token(path: Path) -> Path:
    return lines(path, *[{"question": f"What is {n}?", "answer": ""} for n in range(12)])


def rows_too_long(path: Path) -> Path:
    return lines(path, *[{"question": f"{n} " + "very long " * 300, "answer": "Yes."} for n in range(12)])


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (a_binary_file, ("binary",)),
        (broken_lines, ("row 1",)),
        (a_wrong_encoding, ("utf-8",)),
        (an_unknown_format, ("line 1", "messages")),
        (no_supervised_token, ("answer",)),
        (rows_too_long, ("256", "max_length")),
    ],
)
def test_add_refuses_with_a_sentence_when_the_file_is(
    make: Callable[[Path], Path], parts: tuple[str, ...], prompt: Prompt, tmp_path: Path
) -> None:
    path = make(tmp_path / f"{make.__name__}.jsonl")
    prompt("add", path, "--wait").refuses(path.name, *parts)


def test_add_refuses_with_a_sentence_when_the_file_is_empty(prompt: Prompt, tmp_path: Path) -> None:
    (tmp_path / "void.jsonl").touch()
    prompt("add", tmp_path / "void.jsonl").refuses("void.jsonl", "empty")


def test_add_refuses_with_a_sentence_when_the_path_is_wrong(prompt: Prompt, tmp_path: Path) -> None:
    prompt("add", tmp_path / "nowhere.jsonl").refuses("nowhere.jsonl")


def test_add_refuses_with_a_sentence_when_the_file_may_not_be_read(prompt: Prompt, tmp_path: Path) -> None:
    path = lines(tmp_path / "secret.jsonl", ROW)
    path.chmod(0)
    prompt("add", path).refuses("secret.jsonl", "may not be read")


def test_add_takes_the_good_files_when_one_of_several_is_bad(prompt: Prompt, engine: Engine, tmp_path: Path) -> None:
    good = lines(tmp_path / "fine.jsonl", *[{"question": f"{n}?", "answer": f"{n}!"} for n in range(20)])
    answer = prompt("add", tmp_path / "nowhere.jsonl", good)
    answer.refuses("nowhere.jsonl")
    taken = [job for job in engine.jobs().values() if job["file_name"] == "fine.jsonl"]
    assert len(taken) == 1
    engine.api.call("queue.remove", job_ids=[taken[0]["job_id"]])


@pytest.mark.parametrize(
    ("bad_line", "word"),
    [
        (b'{"question": "What', "line 7"),
        (b'{"question": "\xff\xfe?", "answer": "x"}', "line 7"),
        (json.dumps({"question": "what " * 200, "answer": "x"}).encode(), "line 7"),
    ],
    ids=["broken", "wrong_encoding", "too_long"],
)
def test_add_names_the_line_when_one_row_of_a_good_file_is_bad(
    bad_line: bytes, word: str, prompt: Prompt, engine: Engine, tmp_path: Path
) -> None:
    good = [json.dumps({"question": f"What is {n}?", "answer": f"It is {n}."}).encode() for n in range(20)]
    path = tmp_path / f"nearly-good-{len(bad_line)}.jsonl"
    path.write_bytes(b"\n".join([*good[:6], bad_line, *good[6:], b""]))
    answer = prompt("add", path, "--wait")
    assert word in answer.stdout + answer.stderr, (answer.stdout, answer.stderr)
    job = next(job for job in engine.jobs().values() if job["file_name"] == path.name)
    assert job["num_problems"] >= 1
    engine.api.call("queue.remove", job_ids=[job["job_id"]])


# ---- models ------------------------------------------------------------------------------------------------


def test_base_set_refuses_with_a_sentence_when_the_folder_is_missing(prompt: Prompt, tmp_path: Path) -> None:
    prompt("base", "set", tmp_path / "no-model").refuses("no-model")


def test_base_set_refuses_with_a_sentence_when_the_folder_holds_no_model(prompt: Prompt, tmp_path: Path) -> None:
    prompt("base", "set", tmp_path).refuses("config.json")


def changed_model(tiny_model: Path, folder: Path, **config: object) -> Path:
    shutil.copytree(tiny_model, folder)
    present = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**present, **config}), encoding="utf-8")
    return folder


def test_base_set_refuses_with_a_sentence_when_the_model_is_not_causal(
    prompt: Prompt, tiny_model: Path, tmp_path: Path
) -> None:
    model = changed_model(tiny_model, tmp_path / "bert", model_type="bert", architectures=["BertForMaskedLM"])
    prompt("base", "set", model).refuses("bert", "causal")


def test_base_set_refuses_with_a_sentence_when_the_weights_are_a_pickle(
    prompt: Prompt, tiny_model: Path, tmp_path: Path
) -> None:
    model = changed_model(tiny_model, tmp_path / "pickled")
    for path in model.glob("*.safetensors"):
        path.unlink()
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    prompt("base", "set", model).refuses("pytorch_model.bin", "safetensors")


def test_base_set_refuses_with_a_sentence_when_the_model_brings_code(
    prompt: Prompt, tiny_model: Path, tmp_path: Path
) -> None:
    model = changed_model(tiny_model, tmp_path / "coded", auto_map={"AutoModelForCausalLM": "mine.Model"})
    prompt("base", "set", model).refuses("auto_map")


def test_base_set_refuses_with_a_sentence_when_the_weights_are_cut_off(
    prompt: Prompt, tiny_model: Path, tmp_path: Path
) -> None:
    model = changed_model(tiny_model, tmp_path / "half")
    weights = next(model.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1000])
    prompt("base", "set", model).refuses(weights.name)


def test_base_stays_what_it_was_when_another_was_refused(engine: Engine, prompt: Prompt) -> None:
    before = prompt.ask("base", "show")["base"]
    prompt("base", "set", "/nowhere/at/all").refuses("/nowhere/at/all")
    assert prompt.ask("base", "show")["base"] == before
    assert before["state"] == "ready"


# ---- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("config", "set", "learning_rate", "fast"), ("learning_rate", "fast")),
        (("config", "set", "learning_rat", "0.1"), ("learning_rat",)),
        (("queue", "move", "99", "--to", "1"), ("99",)),
        (("queue", "retry", "99"), ("99",)),
        (("queue", "remove", "99"), ("99",)),
        (("skip",), ()),
    ],
)
def test_verbs_refuse_with_a_sentence_when_asked_for_the_impossible(
    words: tuple[str, ...], parts: tuple[str, ...], prompt: Prompt
) -> None:
    prompt(*words).refuses(*parts)


# ---- a second instance -------------------------------------------------------------------------------------


def test_service_refuses_with_a_sentence_when_another_serves_the_workspace(engine: Engine, prompt: Prompt) -> None:
    pid = engine.api.call("status")["service"]["pid"]
    second = Engine(engine.workspace.root, prefix=AS_ANYBODY)
    second.log = engine.log.with_name("second.log")
    second.launch_service()
    assert second.wait(30) not in (0, None)
    told = second.log.read_text(encoding="utf-8")
    assert str(pid) in told
    assert "Traceback" not in told
    assert engine.api.call("status")["service"]["pid"] == pid


# ---- a full disk -------------------------------------------------------------------------------------------


def test_add_refuses_with_a_sentence_when_the_disk_is_full(folder: Path, tmp_path: Path) -> None:
    """The copy of the second file meets ENOSPC: the first one stays, and a third is taken."""
    root = folder / "full"
    planted = {"EVERSTEP_FAILPOINTS": "durable.copy_write:2:ENOSPC", "EVERSTEP_FAILPOINTS_BELOW": str(root)}
    files = [write_rows(tmp_path / f"{name}.jsonl", 20, seed=ord(name)) for name in "abc"]
    with Engine(root, environment=planted) as engine:
        engine.start()
        prompt = Prompt(root)
        assert prompt("add", files[0]).code == 0
        prompt("add", files[1]).refuses("b.jsonl", "disk")
        assert prompt("add", files[2]).code == 0
        assert set(prompt.jobs()) == {"a.jsonl", "c.jsonl"}
        leftovers = [path.name for path in engine.workspace.datasets.rglob(".tmp-*")]
        assert leftovers == []


# ---- a damaged database ------------------------------------------------------------------------------------


def test_queue_comes_back_from_the_journal_when_the_database_is_damaged(folder: Path, tiny_model: Path) -> None:
    root = folder / "damaged"
    with Engine(root) as engine:
        engine.start()
        engine.set_up(tiny_model, SMALL_MODEL_SETTINGS)
        engine.api.call("stop", now=True)
        prompt = Prompt(root)
        first, second, third = (
            engine.add(write_rows(folder / f"{name}.jsonl", 20, seed=ord(name)))[0] for name in "xyz"
        )
        engine.api.call("queue.move", job_ids=[third], before=first)
        engine.api.call("queue.hold", job_ids=[second])
        until_true(lambda: "checking" not in {job["state"] for job in engine.jobs().values()}, "all are checked")
        before = prompt.lines("queue", "list", field="jobs")
        engine.shut_down()
        for leftover in root.glob("everstep.db-*"):
            leftover.unlink()
        with open(engine.workspace.database, "r+b") as database:
            database.write(b"this was a database once" * 200)
        engine.start()
        after = prompt.lines("queue", "list", field="jobs")
        assert after == before
        assert prompt.ask("base", "show")["base"]["state"] == "ready"
        kept = [path.read_bytes()[:24] for path in engine.workspace.quarantine.rglob("*everstep*") if path.is_file()]
        assert b"this was a database once" in kept, "the damaged file was not kept"
        told = "\n".join(engine.api.call("logs", lines=100)["lines"])
        assert "quarantine" in told
        assert "journal" in told
