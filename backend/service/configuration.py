"""`config.json`: read once at start, written when a setting is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from backend.contract.settings import CPU_PRESET, Config, describe, parse_config, with_value
from backend.store import durable


class ConfigFile:
    """The settings in force. Raises BadInputError when the file cannot be used."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path = path
        self.config = config
        self._listeners: list[Callable[[Config], None]] = []

    def subscribe(self, listener: Callable[[Config], None]) -> None:
        """Call `listener` with the settings whenever they change; on whichever thread changes them."""
        self._listeners.append(listener)

    @classmethod
    def open(cls, path: Path, *, has_gpu: bool) -> ConfigFile:
        """Read the file; the first start of a workspace writes one that fits the machine."""
        try:
            return cls(path, parse_config(path.read_bytes(), name=str(path)))
        except FileNotFoundError:
            config = Config()
        if not has_gpu:
            for name, value in CPU_PRESET.items():
                config = with_value(config, f"training.{name}", value)
        fresh = cls(path, config)
        fresh._write(config)
        return fresh

    def with_value(self, key: str, text: str) -> tuple[Config, str, str, str]:
        """What setting `key` to `text` would give: (config, full key, old value, new value). Writes nothing."""
        changed = with_value(self.config, key, text)
        old = {view.key: view for view in describe(self.config)}
        for view in describe(changed):
            if view.key == key or view.key.split(".", 1)[1] == key:
                return changed, view.key, str(old[view.key].value), str(view.value)
        return changed, key, "", text

    def use(self, config: Config) -> None:
        """Put changed settings in force and on disk. Raises OSError."""
        self._write(config)
        self.config = config
        for listener in self._listeners:
            listener(config)

    def _write(self, config: Config) -> None:
        durable.commit_file(self._path, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")
