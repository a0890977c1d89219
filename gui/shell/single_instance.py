"""One window a workspace: a second start hands its files to the first and leaves.

Who is first is decided by a lock that the kernel frees when its holder is gone. The first listens on a socket beside
it, in a folder that only this user can enter. Nothing here is inside the workspace.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from PySide6.QtCore import QLockFile, QMetaMethod, QObject, QTimer, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

_CONNECT_MS = 500
_ANSWER_MS = 10_000
_FIRST_IS_COMING_SECONDS = 3.0
"""The first may have its lock but not yet its socket."""
_MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_MESSAGE_MS = 5000
_MAX_FOLDER_BYTES = 66
"""The kernel takes 107 bytes for the name of a socket."""
_TAKEN = b"taken\n"


class _Handover(Struct, frozen=True, kw_only=True):
    """What a second start sends: one line of JSON."""

    paths: list[str] = []


class SingleInstance(QObject):
    """Say `claim` before anything is shown; it may wait. From then on nothing here waits for anybody."""

    paths_received = Signal(list)  # absolute paths from a later start
    activated = Signal()  # somebody started the program again: show the window

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.is_handed_over = False
        """After a `claim` that said no: whether the first window took the files and comes forward."""
        self._lock: QLockFile | None = None
        self._socket_path = ""
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_new_connection)

    def claim(self, workspace: Path, paths: Sequence[str] = ()) -> bool:
        """Become the one window of this workspace. False: there is one, and `paths` were handed to it."""
        folder = _runtime_folder()
        # Two names of one folder are one workspace.
        name = hashlib.sha256(os.fsencode(workspace.expanduser().resolve())).hexdigest()[:16]
        self._socket_path = str(folder / f"window-{name}.socket")
        lock = QLockFile(str(folder / f"window-{name}.lock"))
        lock.setStaleLockTime(0)  # old age is no sign of death here
        # After a crash the lock file may name a process number that somebody else has by now: Qt then believes it.
        # Removing it succeeds only where the kernel says that nobody holds it.
        if not lock.tryLock(0) and not (lock.removeStaleLockFile() and lock.tryLock(0)):
            self.is_handed_over = self.hand_over(list(paths))
            return False
        self._lock = lock
        QLocalServer.removeServer(self._socket_path)  # left by one that crashed: the lock is ours
        self._server.listen(self._socket_path)
        return True

    def hand_over(self, paths: list[str]) -> bool:
        """Give files to the first window and have it come forward; False when it does not answer."""
        absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - a link keeps its name
        message = msgspec.json.encode(_Handover(paths=absolute)) + b"\n"
        give_up_at = time.monotonic() + _FIRST_IS_COMING_SECONDS
        while True:
            socket = QLocalSocket()
            socket.connectToServer(self._socket_path)
            if socket.waitForConnected(_CONNECT_MS):
                return _deliver(socket, message)
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.05)

    def release(self) -> None:
        """Let another window be the one."""
        self._server.close()
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None

    def _on_new_connection(self) -> None:
        if not self.isSignalConnected(QMetaMethod.fromSignal(self.paths_received)):
            return  # the rooms behind the first frame are not there yet; whoever hands over waits that long
        while (socket := self._server.nextPendingConnection()) is not None:
            _Listener(socket, self)

    def connectNotify(self, signal: QMetaMethod) -> None:
        if signal == QMetaMethod.fromSignal(self.paths_received):
            QTimer.singleShot(0, self, self._on_new_connection)


class _Listener(QObject):
    """One later start, until it has said what it wants."""

    def __init__(self, socket: QLocalSocket, instance: SingleInstance) -> None:
        super().__init__(instance)
        self._socket = socket
        self._instance = instance
        socket.setParent(self)
        socket.readyRead.connect(self._on_bytes)
        socket.disconnected.connect(self.deleteLater)
        QTimer.singleShot(_MESSAGE_MS, self, socket.abort)  # who says nothing may not stay
        self._on_bytes()

    def _on_bytes(self) -> None:
        if self._socket.bytesAvailable() > _MAX_MESSAGE_BYTES:
            self._socket.abort()
        if not self._socket.canReadLine():
            return
        try:
            handover = msgspec.json.decode(bytes(self._socket.readLine().data()), type=_Handover)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._socket.abort()
            return
        self._socket.write(_TAKEN)
        self._socket.disconnectFromServer()
        if handover.paths:
            self._instance.paths_received.emit(handover.paths)
        self._instance.activated.emit()


def _deliver(socket: QLocalSocket, message: bytes) -> bool:
    socket.write(message)
    while socket.bytesToWrite() and socket.waitForBytesWritten(_ANSWER_MS):
        pass
    while not socket.canReadLine() and socket.waitForReadyRead(_ANSWER_MS):
        pass
    return bytes(socket.readLine().data()) == _TAKEN


def _runtime_folder() -> Path:
    """A folder that is ours alone and gone after a restart of the machine."""
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    if named and len(os.fsencode(named)) < _MAX_FOLDER_BYTES and _is_ours_alone(Path(named)):
        return _make_private(Path(named) / "everstep")
    return _make_private(Path(tempfile.gettempdir()) / f"everstep-{os.geteuid()}")


def _make_private(folder: Path) -> Path:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_ours_alone(folder):  # somebody put one there: take one whose name nobody can know
        return Path(tempfile.mkdtemp(prefix="everstep-"))
    return folder


def _is_ours_alone(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
