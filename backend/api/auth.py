"""Who may speak to the service: every request, every method (rules X8 to X11).

Any web page in the user's browser and any other local user can reach a port on 127.0.0.1. A page is told apart by
the headers a browser adds and cannot leave out, another user by the token in a file only we can read.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from backend.contract.errors import ErrorBody

Headers = Sequence[tuple[bytes, bytes]]

MAX_BODY_BYTES = 1_000_000


class Gate:
    """Judges the headers of one request; knows port and token of this service."""

    def __init__(self, *, port: int, token: str) -> None:
        self._hosts = {f"127.0.0.1:{port}".encode(), f"localhost:{port}".encode()}
        self._authorization = f"Bearer {token}".encode()

    def refuse(self, method: str, headers: Headers) -> ErrorBody | None:
        """Why this request is not answered; None lets it pass."""
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return _forbidden("wrong_host", "The Host header is not this service's own address.")
        if _values(headers, b"origin") or _values(headers, b"referer"):
            return _forbidden("from_a_page", "Requests from web pages are not answered.")
        if any(site not in (b"none", b"same-origin") for site in _values(headers, b"sec-fetch-site")):
            return _forbidden("from_a_page", "Requests from web pages are not answered.")
        given = _values(headers, b"authorization")
        if len(given) != 1 or not hmac.compare_digest(given[0], self._authorization):
            return ErrorBody(
                code="unauthorized",
                title="Not allowed",
                message="The token is missing or wrong.",
                hint="It stands in status/endpoint.json of the workspace and changes with every start.",
                status=401,
            )
        if method not in ("GET", "HEAD"):
            return _refuse_body(headers)
        return None


def _refuse_body(headers: Headers) -> ErrorBody | None:
    kinds = _values(headers, b"content-type")
    if len(kinds) != 1 or kinds[0].split(b";")[0].strip().lower() != b"application/json":
        return ErrorBody(
            code="wrong_content_type",
            title="Not understood",
            message="A change needs Content-Type: application/json.",
            status=415,
        )
    for length in _values(headers, b"content-length"):
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return too_large()
    return None


def too_large() -> ErrorBody:
    """The refusal of a body over the limit."""
    return ErrorBody(
        code="too_large", title="Not understood", message=f"A request holds at most {MAX_BODY_BYTES} bytes.", status=413
    )


def _forbidden(code: str, message: str) -> ErrorBody:
    return ErrorBody(code=code, title="Not allowed", message=message, status=403)


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for known, value in headers if known.lower() == name]
