"""The service of a workspace as the window sees it: found, started, watched, started again when it is gone.

One rule stands above all: what lives is never doubled. A guardian is started only while the endpoint file names no
living process and nobody holds the locks of service and guardian.

    LOCATING -> STARTING -> CONNECTED <-> SILENT
                    |           |
                 REFUSED       GONE          INCOMPATIBLE: whenever a service of another API is found

It looks by itself: every tenth of a second while it waits for somebody, every second while all is well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtNetwork import QNetworkReply

from backend.contract.errors import ErrorBody, ServiceUnavailableError
from backend.contract.status import Endpoint
from backend.contract.verbs import API_VERSION
from gui.client import endpoint as endpoints
from gui.client import service_words as words
from gui.client.connection_state import ConnectionState
from gui.client.guardian_start import StartedGuardian, guardian_command
from gui.client.log_tail import log_tail
from gui.client.network import is_whole, make_network, make_request, status_of

_RESTART_PAUSES_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_MAX_WORDLESS_ENDS = 3
_MAX_WRONG_TOKENS = 4
_PROBE_TIMEOUT_MS = 5000


class Ready(Struct, frozen=True, kw_only=True):
    """What `/v1/ready` says."""

    api_version: int
    program_version: str
    pid: int
    safe_mode: bool = False


@dataclass(frozen=True)
class Patience:
    """How long is waited for what, in seconds."""

    look_seconds: float = 1.0
    look_closely_seconds: float = 0.1
    ask_after_seconds: float = 15.0
    """The event stream says something every ten seconds; only when it did not is the service asked."""
    silent_seconds: float = 60.0
    other_guardian_seconds: float = 1.0
    """How long after our guardian left another one's service may take to appear."""
    stable_seconds: float = 60.0
    """A service that lived that long is started again without a pause."""
    retry_seconds: float = 60.0
    """After that a service that could not start is tried again quietly: the disk may have room by then."""


class ServiceProcess(QObject):
    """The one service of one workspace, whoever started it."""

    state_changed = Signal(object)  # ConnectionState
    ready = Signal(object)  # Ready

    def __init__(
        self,
        workspace: Path,
        parent: QObject | None = None,
        *,
        command: Sequence[str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(parent)
        self.workspace = workspace.expanduser().absolute()
        self._command = list(command or guardian_command(self.workspace))
        self._patience = patience or Patience()
        self._state = ConnectionState.LOCATING
        self._sentence = ""
        self._known: Endpoint | None = None
        """The service that was found last, whether or not it has answered."""
        self._is_ready = False
        self._was_ready = False
        self._is_given_up = False
        """It was ended on purpose, or cannot start: nothing more is said until one is there."""
        self._heard_at = self._alone_since = self._ready_at = self._may_start_at = 0.0
        self._asked_since = 0.0
        """Of the questions that were not answered yet, when the first was asked; 0 when all were."""
        self._guardian: StartedGuardian | None = None
        self._num_starts = self._num_wordless_ends = self._num_wrong_tokens = 0
        self._network = make_network(self)
        self._question: QNetworkReply | None = None
        self._look_again = QTimer(self)
        self._look_again.setSingleShot(True)
        self._look_again.timeout.connect(self._look)
        self._is_watching = False

    # ---- what others ask -----------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """How we stand with it."""
        return self._state

    @property
    def sentence(self) -> str:
        """The state in words, with all that is known: last words of a failed start, versions, process numbers."""
        return self._sentence or self._state.sentence

    @property
    def pid(self) -> int | None:
        """Process of the service that was found last."""
        return self._known.pid if self._known is not None else None

    def endpoint(self) -> Endpoint | None:
        """Where the service listens now, read anew; None while there is none that we can talk to."""
        found = endpoints.locate(self.workspace)
        return found if found is not None and found.api_version == API_VERSION else None

    def why_not(self) -> ErrorBody | None:
        """Why waiting for the service makes no sense, None while it does."""
        if self._state in (ConnectionState.INCOMPATIBLE, ConnectionState.REFUSED, ConnectionState.GONE):
            return ServiceUnavailableError(self.sentence).body()
        return None

    def log_tail(self, lines: int) -> list[str]:
        """The newest lines of the service's log, oldest first, whether or not it lives."""
        return log_tail(self.workspace, lines)

    # ---- what others tell ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Find the service or start it, and watch it from now on; also after it was ended or could not start."""
        self._is_watching = True
        self._was_ready = self._is_given_up = False
        self._num_starts = self._num_wordless_ends = self._num_wrong_tokens = 0
        self._may_start_at = self._alone_since = 0.0
        if self._state is not ConnectionState.CONNECTED:
            self._known = None
            self._change(ConnectionState.LOCATING)
        self._look()

    def stop_watching(self) -> None:
        """Leave it as it is: nothing is started or said any more."""
        self._is_watching = False
        self._look_again.stop()
        self._forget_question()

    def hear(self) -> None:
        """It said something to somebody in this window."""
        self._heard_at, self._asked_since = time.monotonic(), 0.0
        if self._state is ConnectionState.SILENT and self._is_ready:
            self._change(ConnectionState.CONNECTED)

    def look_now(self) -> None:
        """A connection broke: it may be gone."""
        if self._is_watching and self._look_again.remainingTime() > self._patience.look_closely_seconds * 1000:
            self._look_again.start(0)

    # ---- looking -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        if not self._is_watching:
            return
        found = endpoints.locate(self.workspace)
        if found is not None:
            self._on_found(found)
        else:
            self._on_nobody()
        is_calm = self._state not in (ConnectionState.LOCATING, ConnectionState.STARTING)
        pause = self._patience.look_seconds if is_calm else self._patience.look_closely_seconds
        if self._is_watching:
            self._look_again.start(round(pause * 1000))

    def _on_found(self, found: Endpoint) -> None:
        now = time.monotonic()
        self._alone_since = 0.0
        self._is_given_up = False
        if self._known is None or (found.pid, found.token) != (self._known.pid, self._known.token):
            self._forget_question()
            self._known, self._is_ready, self._num_wrong_tokens = found, False, 0
            self._heard_at, self._asked_since = now, 0.0
            if self._state not in (ConnectionState.LOCATING, ConnectionState.STARTING):
                self._change(ConnectionState.STARTING)
        if found.api_version != API_VERSION:
            self._change(ConnectionState.INCOMPATIBLE, words.other_version(found))
            return
        if not self._is_ready or now - self._heard_at > self._patience.ask_after_seconds:
            self._ask(found)
        if self._is_silent(now):
            self._change(ConnectionState.SILENT, words.silent(found, now - self._heard_at))

    def _is_silent(self, now: float) -> bool:
        """A window that itself stood still for a minute has to ask before it may say so."""
        patience = self._patience
        return (
            self._asked_since > 0
            and now - self._heard_at > patience.silent_seconds
            and now - self._asked_since > patience.silent_seconds - patience.ask_after_seconds
        )

    def _on_nobody(self) -> None:
        now = time.monotonic()
        if self._known is not None or self._alone_since == 0.0:
            self._alone_since = now
            if self._is_ready and now - self._ready_at > self._patience.stable_seconds:
                self._num_starts = 0
            self._known, self._is_ready = None, False
            self._forget_question()
        if self._is_somebody_at_work():
            self._wait_for_somebody(now)
        elif self._guardian is not None:
            self._on_guardian_left(now)
        elif self._is_given_up:
            if self._state is ConnectionState.REFUSED and now >= self._may_start_at:
                self._start_guardian(now)
        elif self._was_ready and not endpoints.endpoint_file(self.workspace).exists():
            # It took its address away: it was ended on purpose. One that was killed leaves it behind.
            self._is_given_up = True
            self._change(ConnectionState.GONE)
        elif now >= self._may_start_at:
            self._start_guardian(now)

    def _is_somebody_at_work(self) -> bool:
        """Whether a service will be there without us: it is getting ready, or its guardian lives."""
        return (
            (self._guardian is not None and self._guardian.is_alive)
            or endpoints.is_service_locked(self.workspace)
            or endpoints.is_guardian_locked(self.workspace)
        )

    def _wait_for_somebody(self, now: float) -> None:
        waited = now - self._alone_since
        if self._is_given_up:
            return
        if waited > self._patience.other_guardian_seconds and endpoints.is_untrusted(self.workspace):
            self._change(ConnectionState.REFUSED, words.untrusted(endpoints.endpoint_file(self.workspace)))
        elif waited > self._patience.silent_seconds:
            self._change(ConnectionState.SILENT, words.still_starting(waited))
        elif self._state is not ConnectionState.LOCATING or self._guardian is not None:
            self._change(ConnectionState.STARTING)

    # ---- starting ------------------------------------------------------------------------------------------

    def _start_guardian(self, now: float) -> None:
        if not self._is_given_up:
            self._change(ConnectionState.STARTING)
        self._guardian = StartedGuardian(self._command)
        pause = _RESTART_PAUSES_SECONDS[min(self._num_starts, len(_RESTART_PAUSES_SECONDS) - 1)]
        self._num_starts += 1
        self._may_start_at = now + pause
        self._alone_since = now

    def _on_guardian_left(self, now: float) -> None:
        """It ended and nobody else is there: it could not, or it left because another one was there until now."""
        if self._guardian is None or now - self._alone_since < self._patience.other_guardian_seconds:
            return
        last_words = self._guardian.last_words()
        self._guardian = None
        self._num_wordless_ends += 1
        if last_words or self._num_wordless_ends >= _MAX_WORDLESS_ENDS:
            self._is_given_up = True
            self._may_start_at = now + self._patience.retry_seconds
            self._change(ConnectionState.REFUSED, words.failed_start(last_words))

    # ---- asking --------------------------------------------------------------------------------------------

    def _ask(self, endpoint: Endpoint) -> None:
        self._asked_since = self._asked_since or time.monotonic()
        if self._question is None:
            request = make_request(endpoint, "/v1/ready", timeout_ms=_PROBE_TIMEOUT_MS)
            self._question = self._network.get(request)
            self._question.finished.connect(self._on_answer)

    def _forget_question(self) -> None:
        question, self._question = self._question, None
        if question is not None:
            question.disconnect(self)
            question.abort()
            question.deleteLater()

    def _on_answer(self) -> None:
        answer, self._question = self._question, None
        if answer is None or self._known is None:
            return
        answer.deleteLater()
        status = status_of(answer) if is_whole(answer) else 0
        if status == 200:
            self._on_ready(_read_ready(bytes(answer.readAll().data())))
        elif status == 401:
            self._num_wrong_tokens += 1
            if self._num_wrong_tokens >= _MAX_WRONG_TOKENS:
                self._change(
                    ConnectionState.REFUSED, words.wrong_token(self._known, endpoints.endpoint_file(self.workspace))
                )

    def _on_ready(self, answer: Ready | None) -> None:
        if answer is None or self._known is None or answer.pid != self._known.pid:
            return  # somebody else has the port
        if answer.api_version != API_VERSION:
            self._change(ConnectionState.INCOMPATIBLE, words.other_version(self._known))
            return
        is_new = not self._is_ready
        self._heard_at, self._asked_since = time.monotonic(), 0.0
        self._is_ready = self._was_ready = True
        if is_new:
            self._ready_at = self._heard_at
            self._num_wordless_ends = 0
        if self._guardian is not None:
            self._guardian.forget_words()
            self._guardian = None
        self._change(ConnectionState.CONNECTED)
        if is_new:
            self.ready.emit(answer)

    # ---- saying --------------------------------------------------------------------------------------------

    def _change(self, state: ConnectionState, sentence: str = "") -> None:
        is_other = state is not self._state
        self._state, self._sentence = state, sentence
        if is_other:
            self.state_changed.emit(state)


def _read_ready(body: bytes) -> Ready | None:
    try:
        return msgspec.json.decode(body, type=Ready)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
