"""The fetcher against a stand-in for the Hub: what it takes, what it refuses, how it goes on after a break."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import msgspec
import pytest

from backend.contract.errors import ErrorBody, EverstepError
from backend.contract.models import FetchRequest
from backend.fetcher.fetch import explain

ROOT = Path(__file__).parents[4]
WANTED = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors",
}


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def code(problem: object) -> str:
    assert isinstance(problem, EverstepError), problem
    return problem.body().code


def test_fetch_takes_config_tokenizer_and_safetensors_only(hub, fetched) -> None:
    answer, folder = fetched("org/tiny")
    assert names(folder) == WANTED
    assert answer["revision"] == "a" * 40
    assert all((folder / name).read_bytes() == hub.repositories["org/tiny"][name] for name in WANTED)


def test_fetch_takes_the_shards_the_index_names_and_no_other_weights(hub, fetched) -> None:
    files = hub.repositories["org/tiny"]
    del files["model.safetensors"]
    files["model.safetensors.index.json"] = json.dumps(
        {"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}
    ).encode()
    files |= {"m-1.safetensors": b"1", "m-2.safetensors": b"2", "consolidated.safetensors": b"3"}
    _, folder = fetched("org/tiny")
    weights = {name for name in names(folder) if name.endswith(".safetensors")}
    assert weights == {"m-1.safetensors", "m-2.safetensors"}


def test_fetch_refuses_an_index_that_names_files_elsewhere(hub, fetched) -> None:
    index = json.dumps({"weight_map": {"a": "../outside.safetensors"}}).encode()
    hub.repositories["org/tiny"] |= {"model.safetensors.index.json": index, "../outside.safetensors": b"x"}
    problem, _ = fetched("org/tiny")
    assert "outside" in problem.message


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"config.json": b"{}", "pytorch_model.bin": b"\x80"}, "pickle_weights"),
        ({"model.Q4_K_M.gguf": b"GGUF"}, "gguf_repository"),
        ({"adapter_config.json": b"{}", "adapter_model.safetensors": b"x"}, "adapter"),
        ({"model.safetensors": b"x"}, "not_a_model"),
        ({"README.md": b"x"}, "not_a_model"),
    ],
)
def test_fetch_refuses_before_any_download_when_the_weights_are_unsafe_or_missing(
    hub, fetched, files, expected
) -> None:
    hub.repositories["org/other"] = files
    problem, folder = fetched("org/other")
    assert code(problem) == expected
    assert problem.hint
    assert names(folder) == set()
    assert not any("/resolve/" in path for _, path, _ in hub.requests)


def test_fetch_resumes_within_one_run_when_the_connection_breaks(hub, fetched, expect_log, monkeypatch) -> None:
    expect_log("Trying to resume download")
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # 10 MB is its own
    hub.break_after = 5000
    _, folder = fetched("org/tiny")
    assert (folder / "model.safetensors").read_bytes() == hub.repositories["org/tiny"]["model.safetensors"]
    assert hub.gets("model.safetensors") == ["", "bytes=5000-"]


def test_fetch_goes_on_from_the_partial_file_of_an_earlier_run(hub, fetched, monkeypatch) -> None:
    monkeypatch.setattr("backend.fetcher.download.http_get", _dies_after(7000))
    problem, folder = fetched("org/tiny")
    assert code(problem) == "no_network"
    monkeypatch.undo()
    hub.requests.clear()
    _, folder = fetched("org/tiny")
    assert names(folder) == WANTED
    assert hub.gets("model.safetensors") == ["bytes=7000-"]
    assert hub.gets("config.json") == []


def _dies_after(count: int):
    from backend.fetcher import download

    real = download.http_get

    def http_get(url, file, **more):
        if not url.endswith(".safetensors"):
            return real(url, file, **more)
        content = httpx2.get(url).content
        file.write(content[:count])
        raise httpx2.ConnectError("gone")

    return http_get


def test_fetch_refuses_a_file_that_did_not_arrive_as_sent(hub, fetched) -> None:
    hub.spoil = "model.safetensors"
    problem, folder = fetched("org/tiny")
    assert code(problem) == "damaged"
    assert "model.safetensors" not in names(folder)
    hub.spoil = ""
    assert fetched("org/tiny")[0]["files"]


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        ((401, {"X-Error-Code": "GatedRepo"}), "gated"),
        ((403, {"X-Error-Code": "GatedRepo"}), "gated"),
        ((401, {"X-Error-Code": "RepoNotFound"}), "repository_not_found"),
        ((404, {"X-Error-Code": "RepoNotFound"}), "repository_not_found"),
        ((403, {}), "gated"),
        ((500, {}), "fetch"),
    ],
)
def test_fetch_says_what_the_hub_refused(hub, fetched, refusal, expected) -> None:
    hub.refusals["org/tiny"] = refusal
    assert code(fetched("org/tiny")[0]) == expected


def test_fetch_says_wrong_id_and_wrong_revision_and_no_network(hub, fetched) -> None:
    assert code(fetched("no such/name/at all")[0]) == "wrong_id"
    assert code(fetched("org/tiny", revision="nope")[0]) == "revision_not_found"
    assert code(fetched("org/tiny", endpoint="http://127.0.0.1:9")[0]) == "no_network"


def test_fetch_refuses_when_the_disk_has_no_room(hub, fetched, monkeypatch) -> None:
    monkeypatch.setattr("backend.fetcher.fetch._SPARE_BYTES", 2**60)
    problem, _ = fetched("org/tiny")
    assert code(problem) == "storage"
    assert "GB" in problem.message


def test_explain_says_the_disk_is_full() -> None:
    request = FetchRequest(repo_id="org/tiny", out_folder="out")
    body = explain(request, OSError(errno.ENOSPC, "no space")).body()
    assert body.code == "storage"
    assert "full" in body.message


def test_fetch_sends_the_users_token_to_the_hub(hub, fetched, monkeypatch) -> None:
    fetched("org/tiny", revision="nope")
    assert hub.tokens == set()
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 30)
    fetched("org/tiny")
    assert hub.tokens == {"Bearer hf_" + "x" * 30}


def test_child_writes_progress_and_fetched_json_and_ends_0(hub, tmp_path) -> None:
    folder, done = run_child(hub, tmp_path, "org/tiny")
    assert done.returncode == 0, done.stderr
    assert names(folder) == WANTED | {"progress.json", "fetched.json"}
    progress = json.loads((folder / "progress.json").read_bytes())
    assert progress["done_bytes"] == progress["total_bytes"] > 100_000
    assert {path.split("/")[1] for _, path, _ in hub.requests} == {"api", "org"}  # nothing else is asked of the Hub


def test_child_writes_error_json_and_ends_1(hub, tmp_path) -> None:
    folder, done = run_child(hub, tmp_path, "org/missing")
    assert done.returncode == 1
    body = msgspec.json.decode((folder / "error.json").read_bytes(), type=ErrorBody)
    assert body.code == "repository_not_found"
    assert done.stderr == ""


def run_child(hub, tmp_path: Path, repo_id: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path / "out"
    folder.mkdir()
    request = FetchRequest(repo_id=repo_id, out_folder=str(folder), endpoint=hub.endpoint)
    (tmp_path / "request.json").write_bytes(msgspec.json.encode(request))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "backend.fetcher", str(tmp_path / "request.json")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return folder, done
