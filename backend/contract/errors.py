"""The family tree of every error a person may see.

EverstepError                     code, title, message, hint; `status` is its HTTP status
├── BadInputError                 the user's file, path or argument cannot be used            400
│   ├── DatasetError              a training file that cannot be used, with file and line
│   └── ModelError                a base model that cannot be used
├── NotFoundError                 the thing named does not exist                              404
├── ConflictError                 cannot be done in the present state                         409
│   ├── LockedError               a locked setting, a held workspace, a protected thing
│   └── StopFileError             the `.stop` file is in force
├── DamagedError                  something on disk is not what was written                   500
├── StorageError                  the disk is full, read-only or failing                      507
├── ServiceUnavailableError       no service answers                                          503
│   └── WorkspaceMovedError       the workspace is not where it was
└── InternalError                 our fault                                                   500
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct


class ErrorBody(Struct, frozen=True, kw_only=True):
    """An error as it crosses a border (API answers, exit.json, check reports)."""

    code: str
    title: str
    message: str
    hint: str = ""
    status: int = 500

    def sentence(self) -> str:
        """Title, message and hint as one line for a person."""
        return " ".join(part for part in (f"{self.title}:", self.message, self.hint) if part)


class EverstepError(Exception):
    """Root of the tree. `code` is stable and for programs, the rest is for people."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self._code = code

    def body(self) -> ErrorBody:
        """This error as a struct that can be sent."""
        return ErrorBody(
            code=self._code or self.code,
            title=self.title,
            message=self.message,
            hint=self.hint,
            status=self.status,
        )

    def __str__(self) -> str:
        return self.body().sentence()


class BadInputError(EverstepError):
    """Something given to us cannot be used."""

    code = "bad_input"
    title = "That cannot be used"
    status = 400


class DatasetError(BadInputError):
    """A training file that cannot be used; the message names file and line."""

    code = "dataset"
    title = "This file cannot be trained on"


class ModelError(BadInputError):
    """A base model that cannot be used."""

    code = "model"
    title = "This base model cannot be used"


class NotFoundError(EverstepError):
    """The thing named does not exist."""

    code = "not_found"
    title = "Not found"
    status = 404


class ConflictError(EverstepError):
    """Cannot be done in the present state."""

    code = "conflict"
    title = "Not possible right now"
    status = 409


class LockedError(ConflictError):
    """A locked setting, a workspace somebody else serves, a protected thing."""

    code = "locked"
    title = "Locked"


class StopFileError(ConflictError):
    """The emergency `.stop` file lies in the workspace."""

    code = "stop_file"
    title = "The .stop file is in force"


class DamagedError(EverstepError):
    """Something on disk is not what was written there."""

    code = "damaged"
    title = "Damaged on disk"


class StorageError(EverstepError):
    """The disk is full, read-only or failing."""

    code = "storage"
    title = "The disk refused"
    status = 507


class ServiceUnavailableError(EverstepError):
    """No service answers for this workspace."""

    code = "service_unavailable"
    title = "The service does not answer"
    status = 503


class WorkspaceMovedError(ServiceUnavailableError):
    """The path of the workspace leads nowhere, or to another folder."""

    code = "workspace_moved"
    title = "The workspace was moved"


class InternalError(EverstepError):
    """A fault of ours."""

    code = "internal"
    title = "An internal error"


class ReportedError(EverstepError):
    """An error that came from the other side of a border, raised again with its own words."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(body.message, hint=body.hint, code=body.code)
        self._body = body

    def body(self) -> ErrorBody:
        """The body as it was received."""
        return self._body
