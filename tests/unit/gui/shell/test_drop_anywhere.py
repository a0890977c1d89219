"""Files dropped anywhere: who is let in, and the sentence for who is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from gui.shell.drop_anywhere import MAX_LOOKED_AT, DropAnywhere, Verdict, judge
from gui.shell.drop_veil import SENTENCE_LETTERS, DropVeil

HOSTS = Path("/etc/hosts").stat()
COPY_OR_MOVE = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction


def data_of(*paths: object) -> QMimeData:
    data = QMimeData()
    data.setUrls([path if isinstance(path, QUrl) else QUrl.fromLocalFile(str(path)) for path in paths])
    return data


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "ä b.JSONL"
    path.write_text("{}\n")
    return path


def test_judge_takes_files_and_folders_by_their_names(good: Path, tmp_path: Path) -> None:
    verdict = judge(data_of(good, tmp_path))
    assert verdict.paths == [str(good), str(tmp_path)]
    assert verdict.refused == []


def test_judge_says_why_a_file_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photo.png").write_bytes(b"x")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "broken.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "locked.jsonl").write_text("{}")
    os.mkfifo(tmp_path / "pipe.jsonl")
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("locked.jsonl"))
    names = ("photo.png", "empty.jsonl", "broken.jsonl", "locked.jsonl", "pipe.jsonl", "gone.jsonl")
    verdict = judge(data_of(*(tmp_path / name for name in names), "/dev/null", QUrl("https://example.invalid/a.jsonl")))
    whys = (
        "not training data",
        "empty",
        "be found",
        "be read by you",
        "a device",
        "be found",
        "a device",
        "not on this",
    )
    assert [why in said for why, said in zip(whys, verdict.refused, strict=True)] == [True] * len(whys), verdict.refused
    assert not verdict.is_accepted


def test_judge_asks_the_disk_about_the_first_files_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    monkeypatch.setattr(Path, "stat", lambda self: asked.append(self) or HOSTS)
    verdict = judge(data_of(*(f"/data/{number}.jsonl" for number in range(5000))))
    assert len(verdict.paths) == 5000
    assert len(asked) == MAX_LOOKED_AT


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (Verdict(["/a/b.jsonl"]), "Drop to add b.jsonl"),
        (Verdict(["/a", "/b"]), "Drop to add 2 files"),
        (Verdict(["/a.csv"], ["x is empty.", "y is empty."]), "Drop to add a.csv · x is empty. and 1 more"),
        (Verdict([], ["x is empty."]), "x is empty."),
        (Verdict(), "Nothing here that can be trained on."),
    ],
)
def test_verdict_is_one_sentence(verdict: Verdict, sentence: str) -> None:
    assert verdict.sentence() == sentence


@pytest.fixture
def drops(qtbot: QtBot) -> Iterator[tuple[QWidget, DropAnywhere, list[object]]]:
    window = QWidget()
    drops = DropAnywhere(window)
    told: list[object] = []
    drops.hovered.connect(told.append)
    drops.left.connect(lambda: told.append("left"))
    drops.dropped.connect(told.append)
    yield window, drops, told
    shiboken6.delete(window)


def drop(drops: DropAnywhere, data: QMimeData) -> tuple[bool, Qt.DropAction]:
    """Whether it was accepted, and as what. The event is not handed on: it dies with its data."""
    event = QDropEvent(QPoint(5, 5), COPY_OR_MOVE, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    event.setDropAction(Qt.DropAction.MoveAction)
    assert drops.eventFilter(drops, event)
    return event.isAccepted(), event.dropAction()


def enter(drops: DropAnywhere, data: QMimeData) -> bool:
    """Whether it may hover."""
    where = QPoint(5, 5)
    event = QDragEnterEvent(where, COPY_OR_MOVE, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    event.ignore()
    drops.eventFilter(drops, event)
    return event.isAccepted()


def test_drop_is_a_copy_when_the_source_offers_to_move(
    drops: tuple[QWidget, DropAnywhere, list[object]], good: Path
) -> None:
    _, watcher, told = drops
    assert drop(watcher, data_of(good)) == (True, Qt.DropAction.CopyAction)
    assert told == ["left", Verdict([str(good)])]


def test_drop_of_nothing_useful_is_not_accepted(
    drops: tuple[QWidget, DropAnywhere, list[object]], tmp_path: Path
) -> None:
    _, watcher, told = drops
    assert not drop(watcher, data_of(tmp_path / "gone.jsonl"))[0]
    assert isinstance(told[-1], Verdict)


def test_hover_tells_its_verdict_and_leaves(drops: tuple[QWidget, DropAnywhere, list[object]], tmp_path: Path) -> None:
    window, watcher, told = drops
    assert enter(watcher, data_of(tmp_path / "gone.jsonl")), "else the reason would leave with the file"
    QApplication.sendEvent(window, QDragLeaveEvent())
    assert [type(said) for said in told] == [Verdict, str]


def test_hover_of_text_is_left_to_others(drops: tuple[QWidget, DropAnywhere, list[object]]) -> None:
    data = QMimeData()
    data.setText("no files")
    assert not enter(drops[1], data)


def test_veil_says_hostile_names_literally_and_takes_no_mouse(qtbot: QtBot) -> None:
    window = QWidget()
    veil = DropVeil(window)
    window.show()
    veil.show_verdict(Verdict([], ["<b>x</b>\u202e\x07" + "y" * 10_000]))
    veil.grab()
    assert veil.sentence().startswith("<b>x</b>\ufffd\ufffd")
    assert len(veil.sentence()) <= SENTENCE_LETTERS
    assert veil.testAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    shiboken6.delete(window)
