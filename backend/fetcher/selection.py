"""Which files of a Hub repository are wanted: configuration, tokenizer and safetensors weights, nothing that runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

from backend.contract.errors import ModelError

INDEX = "model.safetensors.index.json"
_SMALL_FILES = re.compile(
    r"config.*\.json|generation_config\.json|tokenizer[\w.-]*|special_tokens_map\.json|added_tokens\.json"
    r"|vocab\.(json|txt)|merges\.txt|chat_template\.(jinja|json)"
)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_RESAVE = (
    "Take a repository with .safetensors files, or save it again with transformers "
    "(save_pretrained writes safetensors) and give that folder."
)


class RepoFile(NamedTuple):
    """A file as the Hub lists it."""

    name: str
    size_bytes: int


def small_files(files: Iterable[RepoFile]) -> list[RepoFile]:
    """Configuration and tokenizer, and the list of weight files if there is one."""
    return [file for file in files if _SMALL_FILES.fullmatch(file.name) or file.name == INDEX]


def weight_files(repo_id: str, files: Iterable[RepoFile], index: bytes | None) -> list[RepoFile]:
    """The safetensors files that make up the model: what the index names, else the one file, else all of them.

    Raises ModelError when there is none that is safe to open.
    """
    by_name = {file.name: file for file in files}
    if index is not None:
        return [by_name[name] for name in _names_in(repo_id, index, by_name)]
    if "model.safetensors" in by_name:
        return [by_name["model.safetensors"]]
    found = [file for name, file in by_name.items() if name.endswith(".safetensors") and _PLAIN_NAME.fullmatch(name)]
    if any(file.name.startswith("adapter_") for file in found):
        raise ModelError(
            f"{repo_id} is an adapter, not a base model.", hint="Give the model it was trained on.", code="adapter"
        )
    if found:
        return sorted(found)
    raise _no_safe_weights(repo_id, list(by_name))


def check_usable(repo_id: str, files: Iterable[RepoFile]) -> None:
    """Refuse a repository without safe weights or configuration before anything is downloaded."""
    names = [file.name for file in files]
    if not any(name.endswith(".safetensors") for name in names):
        raise _no_safe_weights(repo_id, names)
    if "config.json" not in names:
        is_adapter = "adapter_config.json" in names
        raise ModelError(
            f"{repo_id} is an adapter, not a base model." if is_adapter else f"{repo_id} has no config.json.",
            hint="Give the model it was trained on." if is_adapter else "Give a model in the transformers format.",
            code="adapter" if is_adapter else "not_a_model",
        )


def _names_in(repo_id: str, index: bytes, by_name: dict[str, RepoFile]) -> list[str]:
    try:
        names = sorted({str(name) for name in json.loads(index)["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{repo_id}: {INDEX} is not a list of weight files.", hint=_RESAVE) from None
    for name in names:
        if name not in by_name or not name.endswith(".safetensors") or not _PLAIN_NAME.fullmatch(name):
            raise ModelError(f"{repo_id}: {INDEX} names {name!r}, which is not a weight file there.", hint=_RESAVE)
    return names


def _no_safe_weights(repo_id: str, names: list[str]) -> ModelError:
    pickled = [name for name in names if name.endswith(_PICKLED)]
    if pickled:
        return ModelError(
            f"{repo_id} has its weights only as {pickled[0]}, a format that can run code when it is opened.",
            hint=_RESAVE,
            code="pickle_weights",
        )
    if any(name.endswith(".gguf") for name in names):
        return ModelError(
            f"{repo_id} holds GGUF files only.",
            hint="Download the .gguf file you want and give its path.",
            code="gguf_repository",
        )
    return ModelError(f"{repo_id} holds no model weights.", hint=_RESAVE, code="not_a_model")
