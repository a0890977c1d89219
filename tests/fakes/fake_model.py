"""Makes base model folders that pass inspection and hold no model; also stands in for fetcher and converter."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}


def safetensors_bytes(values: int = 4) -> bytes:
    header = {"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * (4 * values)


def make_model(folder: Path, *, config: dict[str, object] | None = None, values: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG if config is None else config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(safetensors_bytes(values))
    return folder


def make_gguf(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF" + bytes(64))
    return path


def main() -> int:
    request = json.loads(Path(sys.argv[1]).read_bytes())
    out = Path(request["out_folder"])
    (out / "progress.json").write_text(json.dumps({"done_bytes": 1, "total_bytes": 2}))
    if "missing" in request.get("repo_id", "") or "broken" in request.get("gguf_path", ""):
        body = {"code": "model", "title": "This base model cannot be used", "message": "Planted failure.", "hint": ""}
        (out / "error.json").write_text(json.dumps(body | {"status": 400}))
        return 1
    if request.get("type") == "sample":
        (out / "fetched.json").write_text(
            json.dumps({"gguf_path": str(make_gguf(Path(request["cache_folder"]) / "sample.gguf"))})
        )
        return 0
    make_model(out)
    (out / "fetched.json").write_text("{}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
