"""What people type or paste for a model on the Hub, read as `organisation/name`."""

from __future__ import annotations

import re

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?:models/)?", re.IGNORECASE)


def hub_id(text: str) -> str:
    """The id in a text: `org/name` itself or the address of its page; empty when there is none."""
    parts = _ADDRESS.sub("", text.strip(), count=1).split("?")[0].split("#")[0].strip("/").split("/")
    if len(parts) > 2 and parts[2] not in ("tree", "blob", "resolve"):
        return ""
    found = "/".join(parts[:2])
    return found if _ID.fullmatch(found) and ".." not in found and "--" not in found else ""
