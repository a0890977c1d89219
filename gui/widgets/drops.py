"""Files in what was dropped or pasted. Looks at the data only, never at the disk."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QUrl


def paths_in(data: QMimeData) -> list[str]:
    """Local paths in order, each once: from URLs, else from lines of text that are absolute paths or file: URLs."""
    if data.hasUrls():
        found = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
    else:
        found = [_path_of(line) for line in data.text().splitlines()] if data.hasText() else []
    return list(dict.fromkeys(path for path in found if path))


def _path_of(line: str) -> str:
    line = line.strip().strip("\"'")
    if line.startswith("file:"):
        return QUrl(line).toLocalFile()
    return line if line.startswith("/") or line[1:3] == ":\\" else ""
