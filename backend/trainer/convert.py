"""A GGUF file becomes a safetensors folder: `python -P -m backend.trainer.convert REQUEST.json`.

A short-lived child of its own, because reading a GGUF file needs torch, transformers and, for a moment, a lot of
memory. Fills the request's empty `out_folder` (contract ConvertRequest); ends 1 with `error.json` when it cannot.
The service commits the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# Before transformers is imported: it reads these once.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    DO_NOT_TRACK="1",
    TOKENIZERS_PARALLELISM="false",
    TQDM_DISABLE="1",
)

import msgspec
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.contract.errors import EverstepError, InternalError, ModelError, StorageError
from backend.contract.models import ConvertRequest
from backend.store import durable

_SHARE_READING, _SHARE_WRITING = 0.05, 0.7
"""Progress when reading and writing begin; reading unpacks every tensor and takes longest."""


def main(argv: list[str]) -> int:
    """Convert what the request file names."""
    request = msgspec.json.decode(Path(argv[0]).read_bytes(), type=ConvertRequest)
    out_folder = Path(request.out_folder)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if request.num_threads > 0:
        torch.set_num_threads(request.num_threads)
    try:
        convert(Path(request.gguf_path), out_folder)
    except EverstepError as error:
        return _fail(out_folder, error)
    except OSError as problem:
        return _fail(out_folder, StorageError(f"{problem.strerror or problem}.", hint="Free some room and try again."))
    except (MemoryError, RuntimeError) as problem:
        return _fail(out_folder, InternalError(f"Converting {request.gguf_path} failed: {problem}."))
    return 0


def convert(gguf_path: Path, out_folder: Path) -> None:
    """Write config, weights (float32, safetensors) and tokenizer of a GGUF file into `out_folder`.

    Raises ModelError for a file that is no GGUF, or of a model transformers cannot read from one.
    """
    with gguf_path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{gguf_path} is not a GGUF file.", hint="Give a .gguf file, a folder or a Hub id.")
    _report(out_folder, _SHARE_READING)
    source: dict[str, Any] = {"gguf_file": gguf_path.name, "local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(gguf_path.parent), **source)
        model = AutoModelForCausalLM.from_pretrained(str(gguf_path.parent), dtype=torch.float32, **source)
    except (ValueError, KeyError, NotImplementedError, AttributeError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else repr(problem)
        raise ModelError(
            f"{gguf_path.name} cannot be read: {reason}",
            hint="Give the model as a safetensors folder or a Hub id instead.",
        ) from problem
    # The weights are plain numbers from here on; transformers would write them as if they were still packed.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    _report(out_folder, _SHARE_WRITING)
    model.save_pretrained(str(out_folder), safe_serialization=True)
    tokenizer.save_pretrained(str(out_folder))
    _report(out_folder, 1.0)


def _report(out_folder: Path, share: float) -> None:
    progress = {"done_bytes": int(share * 1000), "total_bytes": 1000, "file": ""}
    durable.replace_status(out_folder / "progress.json", msgspec.json.encode(progress))


def _fail(out_folder: Path, error: EverstepError) -> int:
    durable.replace_status(out_folder / "error.json", msgspec.json.encode(error.body()))
    sys.stderr.write(f"{error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
