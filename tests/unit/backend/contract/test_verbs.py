"""The table of verbs: frozen names, one route each, arguments a prompt can ask for."""

from __future__ import annotations

import re

import msgspec
import pytest

from backend.contract.verbs import BY_NAME, VERBS, Verb

NAMES = [
    "add",
    "queue.list",
    "queue.status",
    "queue.move",
    "queue.set-priority",
    "queue.hold",
    "queue.release",
    "queue.retry",
    "queue.remove",
    "queue.clear",
    "queue.undo",
    "queue.redo",
    "dataset.show",
    "status",
    "metrics",
    "history",
    "history.marks",
    "events",
    "evaluations",
    "samples",
    "evaluate",
    "sample",
    "pause",
    "resume",
    "stop",
    "skip",
    "logs",
    "config.show",
    "config.set",
    "base.set",
    "base.show",
    "validation.set",
    "validation.show",
    "lineage.new",
    "checkpoints.list",
    "shutdown",
]

each_verb = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)


def test_names_are_frozen() -> None:
    """A verb is a promise to scripts: add to this list, never take away."""
    assert [verb.name for verb in VERBS] == NAMES


def test_every_verb_has_its_own_route_and_title() -> None:
    assert len({verb.path for verb in VERBS}) == len(VERBS) == len(BY_NAME)
    assert len({verb.title for verb in VERBS}) == len(VERBS)


@each_verb
def test_verb_is_declared_whole(verb: Verb) -> None:
    assert re.fullmatch(r"[a-z]+(\.[a-z]+(-[a-z]+)*)?", verb.name)
    assert re.fullmatch(r"/v1(/[a-z]+(-[a-z]+)*){1,2}", verb.path)
    assert verb.title[0].isupper()
    assert verb.help.endswith(".")
    assert BY_NAME[verb.name] is verb


@each_verb
def test_arguments_are_described_and_refuse_unknown_names(verb: Verb) -> None:
    for field in msgspec.structs.fields(verb.args):
        info = msgspec.inspect.type_info(field.type)
        assert isinstance(info, msgspec.inspect.Metadata), field.name
        assert (info.extra_json_schema or {})["description"].endswith(".")
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"no_such_argument": 1}, verb.args)


@each_verb
def test_verb_that_changes_something_needs_the_service(verb: Verb) -> None:
    assert not (verb.changes and verb.offline)


def test_verbs_that_work_without_a_service_are_those_of_the_design() -> None:
    assert {verb.name for verb in VERBS if verb.offline} == {"status", "logs", "config.show"}


def test_text_arguments_of_queries_are_read_as_their_types() -> None:
    arguments = msgspec.convert({"start": "5", "superseded": "true"}, BY_NAME["metrics"].args, strict=False)
    assert (arguments.start, arguments.superseded) == (5, True)
    assert msgspec.convert({"job_id": "7"}, BY_NAME["dataset.show"].args, strict=False).job_id == 7
