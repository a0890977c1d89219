"""Desktop notifications: finished, failed, recovered, needs you, also while nobody looks at the window.

On Linux straight to `org.freedesktop.Notifications` (Qt's tray cannot without a tray host, and its own D-Bus sends
types that real daemons refuse); elsewhere, or where no daemon answers, through the tray icon.
"""

from __future__ import annotations

import html
import logging
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSocketNotifier, Signal

from gui.widgets.plain import plain

if sys.platform == "linux":
    from jeepney import DBusAddress, HeaderFields, MatchRule, Message, MessageType, message_bus, new_method_call
    from jeepney.io.blocking import DBusConnection, open_dbus_connection

    _DAEMON = DBusAddress(
        "/org/freedesktop/Notifications",
        bus_name="org.freedesktop.Notifications",
        interface="org.freedesktop.Notifications",
    )

if TYPE_CHECKING:
    from gui.shell.tray import Tray

_log = logging.getLogger("everstep.notifier")
TITLE_LETTERS, MESSAGE_LETTERS = 120, 500
_URGENCY = {"info": 1, "warning": 1, "error": 2}
MAX_WAITING = 8
"""Told before the bus is connected; older ones are worth nothing any more."""


class Notifier(QObject):
    """Tells the desktop. Never waits: the connection is made beside the window, answers are read as they come."""

    opened = Signal()  # the user clicked a notification
    told = Signal(str)  # by whom one was taken: "daemon" or "tray"
    _connected = Signal(object)  # DBusConnection | None, from the thread that made it

    def __init__(self, tray: Tray, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tray = tray
        self._waiting: deque[tuple[str, str, str]] = deque(maxlen=MAX_WAITING)
        self._is_connecting = True
        self._understands_markup = False
        self._sent: dict[int, tuple[str, str, str]] = {}
        self._capabilities_serial = -1
        self._reader: QSocketNotifier | None = None
        self._connection: DBusConnection | None = None
        self._connected.connect(self._on_connected)
        if sys.platform == "linux":
            threading.Thread(target=self._connect, name="notifier-connect", daemon=True).start()
        else:
            self._is_connecting = False

    def notify(self, level: str, title: str, message: str) -> None:
        """Tell it once, by whatever way there is."""
        words = (level, plain(title, TITLE_LETTERS), plain(message, MESSAGE_LETTERS))
        if self._is_connecting:
            self._waiting.append(words)
        elif not self._send(words):
            self._tell_by_tray(words)

    def close(self) -> None:
        """Let go of the bus."""
        if self._reader is not None:
            self._reader.setEnabled(False)
            self._reader = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        try:
            connection = open_dbus_connection(bus="SESSION")
        except (OSError, KeyError, ValueError, RuntimeError) as problem:  # no bus, a foreign one, one that is silent
            _log.info("No session bus: %s", problem)
            connection = None
        self._connected.emit(connection)

    def _on_connected(self, connection: DBusConnection | None) -> None:
        self._is_connecting = False
        self._connection = connection
        if connection is not None:
            self._reader = QSocketNotifier(connection.sock.fileno(), QSocketNotifier.Type.Read, self)
            self._reader.activated.connect(self._on_readable)
            clicked = MatchRule(type="signal", interface=_DAEMON.interface, member="ActionInvoked")
            self._put(message_bus.AddMatch(clicked))
            self._capabilities_serial = self._put(new_method_call(_DAEMON, "GetCapabilities"))
        while self._waiting:
            self.notify(*self._waiting.popleft())

    def _send(self, words: tuple[str, str, str]) -> bool:
        if self._connection is None:
            return False
        level, title, message = words
        body = html.escape(message, quote=False) if self._understands_markup else message
        hints = {"urgency": ("y", _URGENCY.get(level, 1)), "desktop-entry": ("s", "everstep")}
        arguments = ("Everstep", 0, "everstep", title, body, ["default", self.tr("Open")], hints, -1)
        serial = self._put(new_method_call(_DAEMON, "Notify", "susssasa{sv}i", arguments))
        if serial >= 0:
            self._sent[serial] = words
        return serial >= 0

    def _put(self, message: Message) -> int:
        """Send a message and return its number; -1 when the bus has gone."""
        if self._connection is None:
            return -1
        serial = int(next(self._connection.outgoing_serial))
        try:
            self._connection.send(message, serial=serial)
        except OSError as problem:
            _log.info("The session bus has gone: %s", problem)
            self.close()
            return -1
        return serial

    def _on_readable(self) -> None:
        while self._connection is not None:
            try:
                message = self._connection.receive(timeout=0)
            except TimeoutError:
                return
            except (OSError, EOFError, ValueError) as problem:
                _log.info("The session bus has gone: %s", problem)
                self.close()
                return
            self._take(message)

    def _take(self, message: Message) -> None:
        kind = message.header.message_type
        answers = message.header.fields.get(HeaderFields.reply_serial, -1)
        if kind is MessageType.signal:
            if message.header.fields.get(HeaderFields.member) == "ActionInvoked":
                self.opened.emit()
        elif answers == self._capabilities_serial and kind is MessageType.method_return:
            self._understands_markup = "body-markup" in message.body[0]
        elif answers in self._sent:
            words = self._sent.pop(answers)
            if kind is MessageType.error:
                self._tell_by_tray(words)
            else:
                self.told.emit("daemon")

    def _tell_by_tray(self, words: tuple[str, str, str]) -> None:
        if self._tray.show_message(*words):
            self.told.emit("tray")
