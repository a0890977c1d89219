"""The error tree: stable codes, HTTP statuses, sentences for people."""

from __future__ import annotations

import msgspec
import pytest

from backend.contract import errors
from backend.contract.errors import ErrorBody, EverstepError, ReportedError

TREE = {
    "BadInputError": ("bad_input", 400, "EverstepError"),
    "DatasetError": ("dataset", 400, "BadInputError"),
    "ModelError": ("model", 400, "BadInputError"),
    "NotFoundError": ("not_found", 404, "EverstepError"),
    "ConflictError": ("conflict", 409, "EverstepError"),
    "LockedError": ("locked", 409, "ConflictError"),
    "StopFileError": ("stop_file", 409, "ConflictError"),
    "DamagedError": ("damaged", 500, "EverstepError"),
    "StorageError": ("storage", 507, "EverstepError"),
    "ServiceUnavailableError": ("service_unavailable", 503, "EverstepError"),
    "WorkspaceMovedError": ("workspace_moved", 503, "ServiceUnavailableError"),
    "InternalError": ("internal", 500, "EverstepError"),
}


def classes() -> dict[str, type[EverstepError]]:
    found = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, EverstepError) and kind not in (EverstepError, ReportedError)
    }
    return dict(sorted(found.items()))


def test_tree_is_as_drawn_in_the_module() -> None:
    found = {name: (kind.code, kind.status, kind.__mro__[1].__name__) for name, kind in classes().items()}
    assert found == TREE
    assert all(name in str(errors.__doc__) for name in TREE)


def test_every_error_has_its_own_code_and_title() -> None:
    kinds = classes().values()
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert len({kind.title for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", classes().values())
def test_error_carries_code_title_message_and_hint_over_the_wire(kind: type[EverstepError]) -> None:
    problem = kind("It broke.", hint="Mend it.")
    body = problem.body()
    assert body == ErrorBody(code=kind.code, title=kind.title, message="It broke.", hint="Mend it.", status=kind.status)
    assert str(problem) == body.sentence() == f"{kind.title}: It broke. Mend it."
    assert msgspec.json.decode(msgspec.json.encode(body), type=ErrorBody) == body


def test_error_may_have_a_finer_code_and_no_hint() -> None:
    problem = errors.DatasetError("It broke.", code="too_long")
    assert problem.body().code == "too_long"
    assert str(problem) == "This file cannot be trained on: It broke."


def test_reported_error_says_again_what_the_other_side_said() -> None:
    body = ErrorBody(code="too_long", title="No", message="It broke.", hint="Mend it.", status=400)
    problem = ReportedError(body)
    assert problem.body() is body
    assert str(problem) == "No: It broke. Mend it."
