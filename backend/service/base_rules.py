"""Whether a folder holds a base model we may train (rules X2, X3): our own reading of config.json and of the
safetensors headers, before any library that could be talked into running something sees them."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.contract.errors import ModelError

_PLAIN_FILES = frozenset(
    {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
     "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json",
     "model.safetensors.index.json"}
)  # fmt: skip
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json",
)  # fmt: skip
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel")
_CAUSAL_TYPES = frozenset(
    {"llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma", "gemma2", "gemma3_text",
     "phi", "phi3", "gpt2", "gpt_neox", "falcon", "olmo", "olmo2", "smollm3", "granite", "cohere", "stablelm"}
)  # fmt: skip
_MAX_HEADER_BYTES = 100 * 1024 * 1024
_MAX_JSON_BYTES = 64 * 1024 * 1024
_DTYPE_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8,
    "U16": 16, "U32": 32, "U64": 64, "F8_E4M3": 8, "F8_E5M2": 8,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FoundModel:
    """A usable base model in a folder."""

    files: list[str]
    """What is taken along, by name."""
    size_bytes: int
    model_type: str
    num_parameters: int
    tokenizer_sha256: str
    """Over everything that decides how text becomes tokens, the chat template included."""
    fingerprint: str
    """sha256 over names, sizes and headers: tells models apart without reading the weights."""


def inspect(folder: Path) -> FoundModel:
    """Look at a folder; raises ModelError with what is missing or not allowed."""
    if not folder.exists():
        raise ModelError(f"There is no folder {folder}.", hint="Is the drive connected, the name right?")
    if not folder.is_dir():
        raise ModelError(f"{folder} is neither a folder nor a .gguf file.")
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError as problem:
        raise ModelError(f"{folder} cannot be read: {problem.strerror}.") from None
    if "config.json" not in names:
        raise ModelError(f"{folder} has no config.json.", hint="A base model is a folder as transformers saves it.")
    config = _read_json(folder / "config.json")
    _refuse_code(config)
    _require_causal(config)
    weights = [name for name in names if name.endswith(".safetensors")]
    if not weights:
        _refuse_without_weights(folder, names)
    if "tokenizer.json" not in names:
        raise ModelError(
            f"{folder} has no tokenizer.json.",
            hint="Load the tokenizer with transformers once and save it into the folder: that writes the file.",
        )
    _require_all_shards(folder, names, weights)
    headers = {name: _read_header(folder / name) for name in weights}
    files = [name for name in names if name in _PLAIN_FILES or name in headers]
    sizes = {name: (folder / name).stat().st_size for name in files}
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for name in files:
        digest.update(f"{name}\0{sizes[name]}\0".encode())
        digest.update(json.dumps(headers.get(name), sort_keys=True).encode())
    return FoundModel(
        files=files,
        size_bytes=sum(sizes.values()),
        model_type=str(config.get("model_type", "")),
        num_parameters=sum(_num_values(entry) for header in headers.values() for entry in header.values()),
        tokenizer_sha256=tokenizer_sha256(folder),
        fingerprint=digest.hexdigest(),
    )


def tokenizer_sha256(folder: Path) -> str:
    """One digest over the tokenizer's files."""
    digest = hashlib.sha256()
    for name in _TOKENIZER_FILES:
        path = folder / name
        if path.is_file():
            digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelError(f"{path} is too large to be what it says.")
        value = json.loads(path.read_bytes())
    except OSError as problem:
        raise ModelError(f"{path} cannot be read: {problem.strerror}.") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{path} is not valid JSON.") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path} does not hold a JSON object.")
    return value


def _refuse_code(config: dict[str, Any]) -> None:
    """Keys by which a config could make a library run somebody's code."""
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            for key, inner in value.items():
                is_path = key.endswith("_implementation") and isinstance(inner, str) and "/" in inner
                is_code = key in ("auto_map", "_attn_implementation_internal", "trust_remote_code", "custom_pipelines")
                if is_path or (is_code and inner):
                    raise ModelError(
                        f"config.json asks for code of its own ({key}), and models never run code here.",
                        hint="Use a version of this model that transformers knows by itself.",
                    )
                waiting.append(inner)


def _require_causal(config: dict[str, Any]) -> None:
    architectures = config.get("architectures") or []
    names = [name for name in architectures if isinstance(name, str)] if isinstance(architectures, list) else []
    model_type = config.get("model_type")
    is_causal = any(name.endswith(_CAUSAL_ENDINGS) for name in names) if names else model_type in _CAUSAL_TYPES
    if not is_causal or config.get("is_encoder_decoder"):
        what = names[0] if names else str(model_type or "of unknown kind")
        raise ModelError(
            f"This model is {what}, not a causal language model.",
            hint="Models that write text one word after the other can be trained: their class ends in ForCausalLM.",
        )
    if config.get("quantization_config"):
        raise ModelError(
            "This model is quantised already.",
            hint="Take the full-precision version; it is quantised here while it trains.",
        )


def _refuse_without_weights(folder: Path, names: list[str]) -> None:
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        raise ModelError(
            f"{folder} holds its weights as pickle ({pickles[0]}), a format that can run code when it is opened.",
            hint="Take the safetensors version of this model, or save it again with transformers.",
        )
    raise ModelError(f"{folder} holds no weights: no .safetensors file.")


def _require_all_shards(folder: Path, names: list[str], weights: list[str]) -> None:
    if "model.safetensors.index.json" not in names:
        return
    index = _read_json(folder / "model.safetensors.index.json").get("weight_map")
    if not isinstance(index, dict):
        raise ModelError(f"{folder}/model.safetensors.index.json has no weight_map.")
    missing = sorted({str(name) for name in index.values()} - set(weights))
    if missing:
        raise ModelError(f"{folder} is not complete: {missing[0]} is missing.", hint="Finish the download.")


def _read_header(path: Path) -> dict[str, dict[str, Any]]:
    """The tensors of a safetensors file, after checking that header and file agree."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
                raise ModelError(f"{path.name} is damaged: its header cannot be {length} bytes long.")
            header = json.loads(file.read(length))
    except OSError as problem:
        raise ModelError(f"{path} cannot be read: {problem.strerror}.") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{path.name} is damaged: its header cannot be read.") from None
    if not isinstance(header, dict):
        raise ModelError(f"{path.name} is damaged: its header makes no sense.")
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    end = 0
    try:
        for entry in sorted(tensors.values(), key=lambda entry: entry["data_offsets"]):
            first, last = entry["data_offsets"]
            bits = _DTYPE_BITS.get(entry["dtype"])
            if first != end or last < first or (bits and (last - first) * 8 != bits * _num_values(entry)):
                raise ModelError(f"{path.name} is damaged: its tensors do not fit its header.")
            end = last
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(f"{path.name} is damaged: its header makes no sense.") from None
    if end != size - 8 - length:
        raise ModelError(
            f"{path.name} is damaged: {size} bytes, but its header describes {end + 8 + length}.",
            hint="Download it again.",
        )
    return tensors


def _num_values(entry: dict[str, Any]) -> int:
    return math.prod(int(side) for side in entry["shape"])
