"""The gate: every combination of what a browser, another user or a careless client may send."""

from __future__ import annotations

import itertools

import pytest

from backend.api.auth import MAX_BODY_BYTES, Gate

PORT, TOKEN = 43210, "s3cret-token"
GATE = Gate(port=PORT, token=TOKEN)

HOSTS = {
    b"127.0.0.1:43210": True,
    b"localhost:43210": True,
    b"LOCALHOST:43210": True,
    b"127.0.0.1": False,
    b"127.0.0.1:43211": False,
    b"localhost": False,
    b"evil.example:43210": False,
    b"127.0.0.1.evil.example:43210": False,
    b"[::1]:43210": False,
    None: False,
}
AUTHORIZATIONS = {
    b"Bearer s3cret-token": True,
    b"bearer s3cret-token": False,
    b"Bearer s3cret-toke": False,
    b"Bearer s3cret-token ": False,
    b"Basic s3cret-token": False,
    b"": False,
    None: False,
}
PAGES: dict[tuple[bytes, bytes] | None, bool] = {
    None: True,
    (b"sec-fetch-site", b"none"): True,
    (b"sec-fetch-site", b"same-origin"): True,
    (b"sec-fetch-site", b"same-site"): False,
    (b"sec-fetch-site", b"cross-site"): False,
    (b"origin", b"http://evil.example"): False,
    (b"origin", b"null"): False,
    (b"origin", b"http://127.0.0.1:43210"): False,
    (b"referer", b"http://127.0.0.1:43210/"): False,
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")


def headers(
    host: bytes | None, authorization: bytes | None, page: tuple[bytes, bytes] | None
) -> list[tuple[bytes, bytes]]:
    given = [(b"content-type", b"application/json")]
    given += [(b"host", host)] if host is not None else []
    given += [(b"authorization", authorization)] if authorization is not None else []
    return given + ([page] if page else [])


@pytest.mark.parametrize("method", METHODS)
def test_gate_lets_pass_only_what_is_right_in_every_way(method: str) -> None:
    for (host, host_ok), (word, word_ok), (page, page_ok) in itertools.product(
        HOSTS.items(), AUTHORIZATIONS.items(), PAGES.items()
    ):
        refusal = GATE.refuse(method, headers(host, word, page))
        assert (refusal is None) == (host_ok and word_ok and page_ok), (host, word, page)
        if refusal is not None:
            assert refusal.status == (403 if not host_ok or not page_ok else 401)


@pytest.mark.parametrize("name", [b"host", b"authorization"])
def test_gate_refuses_a_header_that_comes_twice(name: bytes) -> None:
    given = headers(b"localhost:43210", b"Bearer s3cret-token", None)
    value = dict(given)[name]
    assert GATE.refuse("GET", [*given, (name, value)]) is not None


@pytest.mark.parametrize("kind", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data", b""])
def test_gate_refuses_changes_that_are_not_json(kind: bytes) -> None:
    given = [(b"host", b"localhost:43210"), (b"authorization", b"Bearer s3cret-token"), (b"content-type", kind)]
    refusal = GATE.refuse("POST", given)
    assert refusal is not None
    assert refusal.status == 415
    assert GATE.refuse("GET", given) is None


def test_gate_accepts_json_with_a_charset() -> None:
    given = headers(b"localhost:43210", b"Bearer s3cret-token", None)
    given[0] = (b"content-type", b"application/json; charset=utf-8")
    assert GATE.refuse("POST", given) is None


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1).encode(), b"-1", b"lots"])
def test_gate_refuses_bodies_that_are_too_long(length: bytes) -> None:
    given = [*headers(b"localhost:43210", b"Bearer s3cret-token", None), (b"content-length", length)]
    refusal = GATE.refuse("POST", given)
    assert refusal is not None
    assert refusal.status == 413
