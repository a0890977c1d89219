"""How this window speaks HTTP: to 127.0.0.1 alone, past every proxy, following no redirect, keeping nothing."""

from __future__ import annotations

from PySide6.QtCore import QObject, QUrl
from PySide6.QtNetwork import QNetworkAccessManager, QNetworkProxy, QNetworkReply, QNetworkRequest

from backend.contract.status import Endpoint

_HOST = "127.0.0.1"


def make_network(parent: QObject) -> QNetworkAccessManager:
    """One set of connections. A proxy of the system would get the token, and training would depend on it."""
    network = QNetworkAccessManager(parent)
    network.setProxy(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy))
    network.setRedirectPolicy(QNetworkRequest.RedirectPolicy.ManualRedirectPolicy)
    return network


def make_request(endpoint: Endpoint, path: str, *, timeout_ms: int) -> QNetworkRequest:
    """A request with the token in it; `timeout_ms` without a byte ends it, 0 never does."""
    request = QNetworkRequest(QUrl(f"http://{_HOST}:{endpoint.port}{path}", QUrl.ParsingMode.StrictMode))
    request.setRawHeader(b"Authorization", b"Bearer " + endpoint.token.encode())
    request.setRawHeader(b"Accept", b"application/json")
    request.setRawHeader(b"Accept-Encoding", b"identity")
    request.setTransferTimeout(timeout_ms)
    attribute, manual = QNetworkRequest.Attribute, QNetworkRequest.LoadControl.Manual
    request.setAttribute(attribute.Http2AllowedAttribute, False)
    request.setAttribute(attribute.CookieLoadControlAttribute, manual)
    request.setAttribute(attribute.CookieSaveControlAttribute, manual)
    request.setAttribute(attribute.AuthenticationReuseAttribute, manual)
    request.setAttribute(attribute.CacheLoadControlAttribute, QNetworkRequest.CacheLoadControl.AlwaysNetwork)
    request.setAttribute(attribute.CacheSaveControlAttribute, False)
    return request


def status_of(reply: QNetworkReply) -> int:
    """The HTTP status of an answer, 0 while there is none."""
    found = reply.attribute(QNetworkRequest.Attribute.HttpStatusCodeAttribute)
    return int(found) if found is not None else 0


def is_whole(reply: QNetworkReply) -> bool:
    """Whether an answer that nobody has read from came to its end, be it a refusal.

    Qt counts refusals as errors above 200, and an answer whose connection broke in the middle now and then as none.
    """
    length = reply.header(QNetworkRequest.KnownHeaders.ContentLengthHeader)
    if length is not None and reply.bytesAvailable() < int(length):
        return False
    error = reply.error()
    return error == QNetworkReply.NetworkError.NoError or (error.value > 200 and status_of(reply) >= 400)
