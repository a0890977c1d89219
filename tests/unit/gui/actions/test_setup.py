from __future__ import annotations

from pytestqt.qtbot import QtBot

from backend.contract.arguments import BaseSetArgs, ConfigSetArgs, ValidationSetArgs
from gui.actions.setup import why_not_new_lineage
from tests.fakes.fake_backend import status
from tests.unit.gui.actions.conftest import Desk


def test_set_base_asks_with_source_and_revision(desk: Desk) -> None:
    desk.actions.set_base("sample")
    desk.actions.set_base("org/name", "v2")
    desk.actions.set_base("org/name", "")
    assert desk.asked("base.set") == [
        BaseSetArgs(source="sample"),
        BaseSetArgs(source="org/name", revision="v2"),
        BaseSetArgs(source="org/name", revision="main"),
    ]


def test_settings_and_validation_ask_and_say_what_was_done(desk: Desk, qtbot: QtBot) -> None:
    desk.actions.set_config("training.seed", "7")
    desk.actions.set_validation("/data/val.jsonl")
    desk.actions.new_lineage()
    qtbot.waitUntil(lambda: len(desk.said) == 2)
    assert desk.asked("config.set") == [ConfigSetArgs(key="training.seed", value="7")]
    assert desk.asked("validation.set") == [ValidationSetArgs(path="/data/val.jsonl")]
    assert len(desk.asked("lineage.new")) == 1


def test_new_lineage_waits_until_no_file_is_trained(desk: Desk) -> None:
    session = desk.stores.session
    assert why_not_new_lineage(session, []) == "A file is being trained. Stop it first."
    session.set_status(status())
    assert why_not_new_lineage(session, []) == ""
