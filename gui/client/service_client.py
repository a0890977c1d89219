"""Calls verbs of the service, without ever waiting for it.

A service may be away for a moment because its guardian restarts it. A call that could not be delivered is sent
again to wherever the service listens now, with the same idempotency key, so that it is carried out once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtNetwork import QNetworkAccessManager, QNetworkReply

from backend.contract.errors import ErrorBody, InternalError, ServiceUnavailableError
from backend.contract.status import Endpoint
from backend.contract.verbs import API_VERSION, BY_NAME, Verb
from gui.client.decoding import BackgroundDecoder
from gui.client.network import is_whole, make_network, make_request, status_of

READ_SECONDS = 30.0
"""How long a service may say nothing about a question."""
CHANGE_SECONDS = 900.0
"""How long a change may take: `add` copies and hashes whole files before it answers."""
PATIENCE_SECONDS = 20.0
"""How long a service may be away."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Longer lists are asked for in pages."""
_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6)
_TIMED_OUT = (QNetworkReply.NetworkError.TimeoutError, QNetworkReply.NetworkError.OperationCanceledError)
_MAX_WRONG_TOKENS = 3
"""A service that just came has a new token; one that goes on refusing the one in its file will not change its mind."""


class Reply(QObject):
    """What became of a call: exactly one of the signals fires, later than the call; none after `cancel`."""

    done = Signal(object)  # the verb's result struct; None when a minimal answer was asked for
    failed = Signal(object)  # ErrorBody

    def __init__(self) -> None:
        super().__init__()
        self.is_over = False
        self._stop: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Forget it. A change that was sent already may be carried out all the same."""
        if not self.is_over:
            self.is_over = True
            if self._stop is not None:
                self._stop()


class ServiceClient(QObject):
    """One client of one workspace. `endpoint` says where its service listens now, None while it does not."""

    answered = Signal()  # the service lives
    unreachable = Signal()  # nobody took a call; it will be tried again

    def __init__(
        self,
        endpoint: Callable[[], Endpoint | None],
        parent: QObject | None = None,
        *,
        why_not: Callable[[], ErrorBody | None] = lambda: None,
        patience_seconds: float = PATIENCE_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """`why_not`: a reason for which waiting for the service makes no sense."""
        super().__init__(parent)
        self.endpoint = endpoint
        self.why_not = why_not
        self.patience_seconds = patience_seconds
        self.read_seconds = read_seconds
        self.network: QNetworkAccessManager = make_network(self)
        self.decoder = BackgroundDecoder(self)
        self._calls: set[_Call] = set()

    @property
    def num_calls(self) -> int:
        """Calls that are not over."""
        return len(self._calls)

    def call(self, verb: str, args: Struct | None = None, *, minimal: bool = False) -> Reply:
        """Ask for a verb; `minimal` asks for no result in the answer, where only the change matters."""
        declared = BY_NAME[verb]
        call = _Call(self, declared, args if args is not None else declared.args(), minimal=minimal)
        self._calls.add(call)
        call.send()
        return call.reply

    def try_again_now(self) -> None:
        """The service is there: calls that wait for it need not wait longer."""
        for call in list(self._calls):
            call.try_again_now()

    def forget(self, call: _Call) -> None:
        """It is over."""
        self._calls.discard(call)


class _Call(QObject):
    """One call on its way, however often it has to be sent."""

    def __init__(self, client: ServiceClient, verb: Verb, args: Struct, *, minimal: bool) -> None:
        super().__init__()
        self.reply = Reply()
        self.reply._stop = self._stop
        self._client = client
        self._verb = verb
        self._path = verb.path if verb.changes else verb.path + _query(args)
        self._body = msgspec.json.encode(args) if verb.changes else b""
        self._is_minimal = minimal
        self._key = uuid.uuid4().hex
        self._give_up_at = time.monotonic() + client.patience_seconds
        self._num_tries = self._num_wrong_tokens = 0
        self._answer: QNetworkReply | None = None
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self.send)

    def send(self) -> None:
        """Send it, or wait until there is somebody to send it to."""
        endpoint = self._client.endpoint()
        if endpoint is None or self._client.why_not() is not None:
            self._try_again()
            return
        seconds = CHANGE_SECONDS if self._verb.changes else self._client.read_seconds
        request = make_request(endpoint, self._path, timeout_ms=round(seconds * 1000))
        if self._is_minimal:
            request.setRawHeader(b"Prefer", b"return=minimal")
        if self._verb.changes:
            request.setRawHeader(b"Content-Type", b"application/json")
            request.setRawHeader(b"Idempotency-Key", self._key.encode())
            self._answer = self._client.network.post(request, self._body)
        else:
            self._answer = self._client.network.get(request)
        self._answer.downloadProgress.connect(self._on_progress)
        self._answer.finished.connect(self._on_finished)

    def try_again_now(self) -> None:
        """Send it, if it only waits for its next try."""
        if self._again.isActive():
            self._again.stop()
            self.send()

    def _try_again(self) -> None:
        pause = _PAUSES_SECONDS[min(self._num_tries, len(_PAUSES_SECONDS) - 1)]
        self._num_tries += 1
        reason = self._client.why_not()
        if reason is None and time.monotonic() + pause > self._give_up_at:
            reason = self._nobody_answers()
        if reason is not None:
            QTimer.singleShot(0, self, lambda: self._fail(reason))  # never before the caller has its Reply
            return
        self._again.start(round(pause * 1000))
        self._client.unreachable.emit()

    def _on_progress(self, num_bytes: int, _total: int) -> None:
        if num_bytes > MAX_ANSWER_BYTES and self._answer is not None:
            self._let_go()
            self._fail(self._not_understood(200, self.tr("it is larger than {0} MB").format(MAX_ANSWER_BYTES >> 20)))

    def _on_finished(self) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        answer.deleteLater()
        if is_whole(answer):
            self._on_answer(status_of(answer), bytes(answer.readAll().data()))
        elif answer.error() in _TIMED_OUT:
            self._fail(self._no_answer())  # it took the question: asking again would only add to its work
        else:
            self._try_again()

    def _on_answer(self, status: int, body: bytes) -> None:
        self._client.answered.emit()
        if status == 200:
            self._client.decoder.decode(body, self._verb.result, self._on_decoded)
        elif status == 204:
            self._finish(None)
        elif status == 401 and self._num_wrong_tokens < _MAX_WRONG_TOKENS:
            self._num_wrong_tokens += 1
            self._try_again()
        else:
            self._fail(self._error_body(status, body))

    def _on_decoded(self, value: Any, problem: Exception | None) -> None:
        if problem is None:
            self._finish(value)
        else:
            self._fail(self._not_understood(200, str(problem)))

    def _finish(self, value: Any) -> None:
        if not self.reply.is_over:
            self.reply.is_over = True
            self._client.forget(self)
            self.reply.done.emit(value)

    def _fail(self, body: ErrorBody) -> None:
        if not self.reply.is_over:
            self.reply.is_over = True
            self._client.forget(self)
            self.reply.failed.emit(body)

    def _stop(self) -> None:
        self._again.stop()
        self._let_go()
        self._client.forget(self)

    def _let_go(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.disconnect(self)
            answer.abort()
            answer.deleteLater()

    def _error_body(self, status: int, body: bytes) -> ErrorBody:
        try:
            return msgspec.json.decode(body, type=ErrorBody)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._not_understood(status, self.tr("it gives no reason"))

    def _not_understood(self, status: int, detail: str) -> ErrorBody:
        message = self.tr("{0}: the answer ({1}) is not understood: {2}.").format(self._verb.title, status, detail)
        hint = self.tr("Is the service of the same version as this window (API {0})?").format(API_VERSION)
        return InternalError(message, hint=hint, code="not_understood").body()

    def _no_answer(self) -> ErrorBody:
        message = self.tr("{0}: the service took the question but does not answer.").format(self._verb.title)
        return ServiceUnavailableError(message, hint=self.tr("The log shows what it does.")).body()

    def _nobody_answers(self) -> ErrorBody:
        message = self.tr("{0}: the service does not answer, and did not come back while we waited.")
        hint = self.tr("The log shows its last words.")
        return ServiceUnavailableError(message.format(self._verb.title), hint=hint).body()


def _query(args: Struct) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(args).items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return "?" + urlencode(pairs, quote_via=quote) if pairs else ""
