"""The base model's tokenizer: text to token ids and a mark for each that is learned.

Ids equal what transformers' fast tokenizer gives for the same text. Needs `tokenizer.json`; nothing else of a model
folder is run, only small JSON files are read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from backend.checker.masking import Rendered
from backend.checker.template import ChatTemplate
from backend.contract.errors import ModelError
from backend.formats.tokenizer_files import PLAIN_CHAT_TEMPLATE, tokenizer_sha256

_SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_MAX_JSON_BYTES = 256 * 2**20
_RESAVE = "Save it again with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)."


class Encoded(NamedTuple):
    """A row as tokens."""

    ids: npt.NDArray[np.uint32]
    supervised: npt.NDArray[np.bool_]
    encoding: Any
    """The tokenizer's own object, which knows the characters of each token."""


class ModelTokenizer:
    """Tokenizer, special tokens and chat templates of one model folder."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelError when the folder has no usable tokenizer."""
        self.folder = folder
        if not folder.is_dir():
            raise ModelError(f"There is no folder {folder}.", hint="Set the base model again.", code="missing_model")
        self._tokenizer = _load(folder)
        self._config = _read_json(folder / "tokenizer_config.json") or {}
        self._model_config = _read_json(folder / "config.json") or {}
        self.sha256 = tokenizer_sha256(folder)
        self.special_tokens = self._special_tokens()
        self.eos_id = self._eos_id()
        if self.eos_id is not None:
            self.special_tokens.setdefault("eos_token", str(self._tokenizer.id_to_token(self.eos_id)))
        self.vocab_size = _vocab_size(self._model_config)
        self._special_ids = {
            number for number, token in self._tokenizer.get_added_tokens_decoder().items() if token.special
        } | ({self.eos_id} if self.eos_id is not None else set())

    def chat_template(self) -> tuple[ChatTemplate, ChatTemplate | None, bool]:
        """(the template, another one for conversations with tools if there is one, whether it is the model's own)."""
        sources = self._template_sources()
        own = bool(sources)
        default = sources.get("default") or next(iter(sources.values()), PLAIN_CHAT_TEMPLATE)
        if not own and "eos_token" not in self.special_tokens:
            raise ModelError(
                "Its tokenizer has neither a chat template nor an end-of-text token.",
                hint="Take a base model with a chat template (an Instruct or Chat model).",
                code="template",
            )
        with_tools = sources.get("tool_use") if len(sources) > 1 else None
        return (
            ChatTemplate(default, self.special_tokens),
            ChatTemplate(with_tools, self.special_tokens) if with_tools else None,
            own,
        )

    def encode(self, rows: Sequence[Rendered]) -> list[Encoded]:
        """Tokens and marks of many rows at once; runs on all cores and may be called from another thread."""
        with_special = [row.plain and not self._opens_itself(row.text) for row in rows]
        encodings: list[Any] = [None] * len(rows)
        for wanted in (False, True):
            places = [place for place, special in enumerate(with_special) if special is wanted]
            if places:
                texts = [rows[place].text for place in places]
                found = self._tokenizer.encode_batch(texts, add_special_tokens=wanted)
                for place, encoding in zip(places, found, strict=True):
                    encodings[place] = encoding
        return [self._marked(row, encoding) for row, encoding in zip(rows, encodings, strict=True)]

    def num_chars(self, encoded: Encoded, num_tokens: int) -> int:
        """Characters of the row's text that its first tokens cover."""
        covered = 0
        for place in range(min(num_tokens, len(encoded.encoding)) - 1, -1, -1):
            span = encoded.encoding.token_to_chars(place)
            if span is not None and span[1] > covered:
                covered = span[1]
                break
        return covered

    def ends_with_special(self, encoded: Encoded) -> bool:
        """Whether the last learned stretch holds a token that can end an answer."""
        learned = encoded.ids[encoded.supervised]
        return any(int(number) in self._special_ids for number in learned[-4:])

    def _opens_itself(self, text: str) -> bool:
        bos = self.special_tokens.get("bos_token")
        return bool(bos) and text.startswith(str(bos))

    def _marked(self, row: Rendered, encoding: Any) -> Encoded:
        ids = np.array(encoding.ids, dtype=np.uint32)
        marks = np.zeros(ids.size, dtype=np.bool_)
        for start, end in row.spans:
            first = _first_token(encoding, start, row.text, ids.size)
            last = _first_token(encoding, end, row.text, ids.size)
            marks[first:last] = True
        if row.end and self.eos_id is not None and (not ids.size or int(ids[-1]) != self.eos_id):
            ids = np.append(ids, np.uint32(self.eos_id))
            marks = np.append(marks, True)
        return Encoded(ids, marks, encoding)

    def _special_tokens(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for values in (_read_json(self.folder / "special_tokens_map.json") or {}, self._config):
            for name in _SPECIAL_NAMES:
                value = values.get(name)
                text = value.get("content") if isinstance(value, dict) else value
                if isinstance(text, str):
                    found[name] = text
        return found

    def _eos_id(self) -> int | None:
        text = self.special_tokens.get("eos_token")
        if text is not None:
            number = self._tokenizer.token_to_id(text)
            return int(number) if number is not None else None
        for config in (_read_json(self.folder / "generation_config.json") or {}, self._model_config):
            number = config.get("eos_token_id")
            number = number[0] if isinstance(number, list) and number else number
            if isinstance(number, int) and self._tokenizer.id_to_token(number) is not None:
                return number
        return None

    def _template_sources(self) -> dict[str, str]:
        """Templates by name, in the order in which transformers looks for them."""
        file = self.folder / "chat_template.jinja"
        if file.is_file():
            return {"default": file.read_text(encoding="utf-8")}
        for config in (_read_json(self.folder / "chat_template.json") or {}, self._config):
            value = config.get("chat_template")
            if isinstance(value, str):
                return {"default": value}
            if isinstance(value, list):
                return {
                    str(entry["name"]): entry["template"]
                    for entry in value
                    if isinstance(entry, dict) and isinstance(entry.get("template"), str) and "name" in entry
                }
        return {}


def _first_token(encoding: Any, place: int, text: str, num_tokens: int) -> int:
    """Index of the first token that belongs to what begins at character `place`.

    A token across the border belongs to what comes before, as prompt ids are then still the same in number; but
    one that takes only blanks from there is the first word of what begins, and must not go unlearned.
    """
    while place < len(text):
        token = encoding.char_to_token(place)
        if token is None:  # a character the tokenizer drops
            place += 1
            continue
        begins, ends = encoding.token_to_chars(token)
        if begins >= place or (text[begins:place].isspace() and text[place:ends].strip()):
            return int(token)
        place = int(ends)
    return num_tokens


def _load(folder: Path) -> Any:
    path = folder / "tokenizer.json"
    data = _read_json(path)
    if data is None:
        raise ModelError("Its folder has no tokenizer.json.", hint=_RESAVE, code="tokenizer")
    _keep_blanks_in_offsets(data)
    try:
        tokenizer = Tokenizer.from_str(json.dumps(data))
    except Exception as problem:  # noqa: BLE001 - the library raises bare Exception for every malformed file
        raise ModelError(f"Its tokenizer.json cannot be used: {problem}.", hint=_RESAVE, code="tokenizer") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _keep_blanks_in_offsets(value: Any) -> None:
    """Let a token's characters include its leading blank, so that borders are found exactly. Ids stay the same."""
    if isinstance(value, dict):
        if "trim_offsets" in value:
            value["trim_offsets"] = False
        for name in ("pre_tokenizer", "post_processor", "pretokenizers", "processors"):
            _keep_blanks_in_offsets(value.get(name))
    elif isinstance(value, list):
        for item in value:
            _keep_blanks_in_offsets(item)


def _read_json(path: Path) -> Any:
    """Content of a JSON file, None when there is none; raises ModelError when it is broken."""
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelError(f"Its {path.name} is larger than {_MAX_JSON_BYTES >> 20} MB.", hint=_RESAVE)
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as problem:
        raise ModelError(f"Its {path.name} cannot be read: {problem}.", hint=_RESAVE, code="tokenizer") from None
    if not isinstance(value, dict):
        raise ModelError(f"Its {path.name} is not a JSON object.", hint=_RESAVE, code="tokenizer")
    return value


def _vocab_size(config: dict[str, Any]) -> int | None:
    """Rows of the model's embedding as its config says, also when it is nested."""
    for place in (config, config.get("text_config"), config.get("llm_config")):
        size = place.get("vocab_size") if isinstance(place, dict) else None
        if isinstance(size, int):
            return size
    return None
