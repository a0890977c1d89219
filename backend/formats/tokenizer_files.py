"""Which files of a model folder decide how text becomes tokens, and one digest over them. Reads only.

The digest names token stores: the same text, digest and length limit always give the same tokens.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

TOKENIZER_FILES = (
    "chat_template.jinja",
    "chat_template.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)

PLAIN_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token + '\n' }}"
    "{% else %}{{ 'User: ' + message['content'] + '\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""What conversations are written with when a base model brings no chat template of its own."""


def tokenizer_sha256(folder: Path) -> str:
    """sha256 hex over the names and contents of a model folder's tokenizer files.

    Raises OSError when one cannot be read; a folder without any gives the digest of nothing.
    """
    digest = hashlib.sha256()
    for name in TOKENIZER_FILES:
        try:
            data = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()
