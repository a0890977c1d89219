"""Every state a disk may be in after a power cut, for the real operations of backend.store.durable.

The recorder stands in for `os` inside durable.py, carries each call out and writes it down. `crash_states` then
replays, for every instant of that list, every combination the rules of fsync allow: bytes are safe after an fsync
of their file, names after an fsync of their folder; anything else may be there, be missing, be half there or be
zeros. Nothing else is promised by POSIX, so nothing else is assumed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

MAX_PENDING = 11
Tree = dict[str, bytes | None]
"""Relative path to content; None is a folder."""


@dataclass(frozen=True)
class Op:
    """One recorded operation; `node` is what it changes, `folder` the folder whose names it changes."""

    kind: str
    node: int = 0
    folder: int = 0
    name: str = ""
    other: tuple[int, str] = (0, "")
    data: bytes = b""
    offset: int = 0


@dataclass
class Disk:
    """Files and folders by number, as the recorder and the replay see them."""

    names: dict[int, dict[str, int]] = field(default_factory=lambda: {0: {}})
    contents: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> Disk:
        return Disk({number: dict(names) for number, names in self.names.items()}, dict(self.contents))

    def apply(self, op: Op, variant: str = "whole") -> None:
        """Do what `op` did; a write may be lost in part."""
        if op.kind in ("create", "mkdir"):
            self.names[op.folder][op.name] = op.node
        elif op.kind == "remove":
            self.names[op.folder].pop(op.name, None)
        elif op.kind == "rename":
            self.names[op.other[0]].pop(op.other[1], None)
            self.names[op.folder][op.name] = op.node
        elif op.kind == "truncate":
            self.contents[op.node] = self.contents[op.node][: op.offset]
        elif op.kind == "write":
            data = {"whole": op.data, "half": op.data[: len(op.data) // 2], "zeros": bytes(len(op.data))}[variant]
            old = self.contents[op.node].ljust(op.offset, b"\0")
            self.contents[op.node] = old[: op.offset] + data + old[op.offset + len(data) :]

    def tree(self) -> Tree:
        """What can be reached from the root."""
        found: Tree = {}

        def walk(folder: int, prefix: str) -> None:
            for name, node in self.names[folder].items():
                if node in self.names:
                    found[prefix + name] = None
                    walk(node, f"{prefix}{name}/")
                else:
                    found[prefix + name] = self.contents[node]

        walk(0, "")
        return found


class Recorder:
    """Stands in for the module `os`: carries calls out below `root` and writes them down.

    `skip` names the n-th fsync or rename, counted from 0, that is left out: a fault planted in the protocol.
    """

    def __init__(self, root: Path, *, skip: int | None = None) -> None:
        self.ops: list[Op] = []
        self.start = Disk()
        self.num_guards = 0
        self._root = root
        self._skip = skip
        self._next_node = 1
        self._disk = Disk()
        self._open: dict[int, int] = {}
        self._appending: set[int] = set()
        self._places: dict[int, int] = {}
        self._take_in(root, 0)
        self.start = self._disk.copy()

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def ack(self, what: str) -> None:
        """From here on `what` was promised."""
        self.ops.append(Op("ack", name=what))

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        is_new = bool(flags & os.O_CREAT) and not self._is_known(path, dir_fd)
        descriptor = os.open(path, flags, mode, dir_fd=dir_fd)
        if is_new:
            folder, name = self._place(path, dir_fd)
            self._note(Op("create", node=self._new_file(), folder=folder, name=name))
        self._open[descriptor] = self._find(path, dir_fd)
        self._places[descriptor] = 0
        if flags & os.O_APPEND:
            self._appending.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        os.close(descriptor)
        self._open.pop(descriptor)
        self._appending.discard(descriptor)

    def write(self, descriptor: int, data: Any) -> int:
        count = os.write(descriptor, data)
        node = self._open[descriptor]
        is_appending = descriptor in self._appending
        offset = len(self._disk.contents[node]) if is_appending else self._places[descriptor]
        self._places[descriptor] = offset + count
        self._note(Op("write", node=node, data=bytes(data[:count]), offset=offset))
        return count

    def ftruncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)
        self._note(Op("truncate", node=self._open[descriptor], offset=size))

    def fsync(self, descriptor: int) -> None:
        if self._guard():
            self.ops.append(Op("fsync", node=self._open[descriptor]))

    def mkdir(self, path: Any, mode: int = 0o777) -> None:
        os.mkdir(path, mode)  # noqa: PTH102 - stands in for os
        node = self._number()
        self._disk.names[node], self.start.names[node] = {}, {}
        folder, name = self._place(path, None)
        self._note(Op("mkdir", node=node, folder=folder, name=name))

    def rename(self, source: Any, target: Any) -> None:
        if not self._guard():
            return
        os.rename(source, target)  # noqa: PTH104 - stands in for os
        node = self._find(source, None)
        folder, name = self._place(target, None)
        self._note(Op("rename", node=node, folder=folder, name=name, other=self._place(source, None)))

    replace = rename

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        os.unlink(path, dir_fd=dir_fd)
        folder, name = self._place(path, dir_fd)
        self._note(Op("remove", folder=folder, name=name))

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        os.rmdir(path, dir_fd=dir_fd)
        folder, name = self._place(path, dir_fd)
        self._note(Op("remove", folder=folder, name=name))

    def write_file(self, path: Path, data: bytes) -> None:
        """Write as a library does that knows nothing of durability."""
        descriptor = self.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL)
        self.write(descriptor, data)
        self.close(descriptor)

    def _guard(self) -> bool:
        self.num_guards += 1
        return self.num_guards - 1 != self._skip

    def _note(self, op: Op) -> None:
        self.ops.append(op)
        self._disk.apply(op)

    def _number(self) -> int:
        self._next_node += 1
        return self._next_node - 1

    def _new_file(self) -> int:
        node = self._number()
        self._disk.contents[node] = self.start.contents[node] = b""
        return node

    def _place(self, path: Any, dir_fd: int | None) -> tuple[int, str]:
        if dir_fd is not None:
            return self._open[dir_fd], os.fspath(path)
        parts = Path(path).relative_to(self._root).parts
        folder = 0
        for part in parts[:-1]:
            folder = self._disk.names[folder][part]
        return folder, parts[-1]

    def _is_known(self, path: Any, dir_fd: int | None) -> bool:
        folder, name = self._place(path, dir_fd)
        return name in self._disk.names[folder]

    def _find(self, path: Any, dir_fd: int | None) -> int:
        if dir_fd is None and Path(path) == self._root:
            return 0
        folder, name = self._place(path, dir_fd)
        return self._disk.names[folder][name]

    def _take_in(self, folder: Path, number: int) -> None:
        for path in sorted(folder.iterdir()):
            node = self._number()
            self._disk.names[number][path.name] = node
            if path.is_dir():
                self._disk.names[node] = {}
                self._take_in(path, node)
            else:
                self._disk.contents[node] = path.read_bytes()


def crash_states(recorder: Recorder) -> Iterator[tuple[Tree, tuple[str, ...]]]:
    """Each distinct (tree, what was promised by then) once."""
    seen: set[tuple[Any, ...]] = set()
    for instant in range(len(recorder.ops) + 1):
        ops = recorder.ops[:instant]
        promised = tuple(op.name for op in ops if op.kind == "ack")
        for tree in _states_at(recorder.start, ops):
            key = (promised, *sorted(tree.items()))
            if key not in seen:
                seen.add(key)
                yield tree, promised


def _states_at(start: Disk, ops: list[Op]) -> Iterator[Tree]:
    changes = [(place, op) for place, op in enumerate(ops) if op.kind not in ("ack", "fsync")]
    pending = [place for place, op in changes if not _is_durable(place, op, ops)][-MAX_PENDING:]
    for chosen in product(*(_variants(ops[place]) for place in pending)):
        variant_of = dict(zip(pending, chosen, strict=True))
        disk = start.copy()
        for place, op in changes:
            variant = variant_of.get(place, "whole")
            if variant != "lost":
                disk.apply(op, variant)
        yield disk.tree()


def _variants(op: Op) -> tuple[str, ...]:
    return ("whole", "lost", "half", "zeros") if op.kind == "write" else ("whole", "lost")


def _is_durable(place: int, op: Op, ops: list[Op]) -> bool:
    node = op.node if op.kind in ("write", "truncate") else op.folder
    return any(later.kind == "fsync" and later.node == node for later in ops[place + 1 :])


def materialise(tree: Tree, root: Path) -> None:
    """Write a state to a real, empty folder."""
    for name in sorted(tree):
        content = tree[name]
        if content is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(content)


def violations(
    recorder: Recorder, scratch: Callable[[], Path], check: Callable[[Path, tuple[str, ...]], str], *, stop: bool
) -> tuple[int, list[str]]:
    """Number of states, and what `check` (the real recovery) complained of; `stop` at the first."""
    found = []
    num_states = 0
    for tree, promised in crash_states(recorder):
        num_states += 1
        root = scratch()
        materialise(tree, root)
        complaint = check(root, promised)
        if complaint:
            found.append(f"{complaint}; promised {promised}; on disk {sorted(tree)}")
            if stop:
                break
    return num_states, found
