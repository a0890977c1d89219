"""The digest over a model folder's tokenizer, and the template for models that bring none."""

from __future__ import annotations

from pathlib import Path

from backend.formats.tokenizer_files import TOKENIZER_FILES, tokenizer_sha256


def test_digest_changes_with_every_file_that_decides_tokens_and_with_no_other(tmp_path: Path) -> None:
    seen = {tokenizer_sha256(tmp_path)}
    for name in TOKENIZER_FILES:
        (tmp_path / name).write_text("a")
        seen.add(tokenizer_sha256(tmp_path))
        (tmp_path / name).write_text("b")
        seen.add(tokenizer_sha256(tmp_path))
    assert len(seen) == 1 + 2 * len(TOKENIZER_FILES)
    (tmp_path / "model.safetensors").write_text("weights")
    (tmp_path / "config.json").write_text("{}")
    assert tokenizer_sha256(tmp_path) in seen


def test_digest_tells_apart_which_file_holds_what(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, name in ((one, "tokenizer.json"), (other, "tokenizer_config.json")):
        folder.mkdir()
        (folder / name).write_text("same")
    assert tokenizer_sha256(one) != tokenizer_sha256(other)


def test_digest_is_pinned(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    assert tokenizer_sha256(tmp_path) == "06aae4af1db1a65fe24e02991033a66039383a5da21030e95339c06f0b62eaa8"
