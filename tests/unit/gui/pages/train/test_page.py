"""The whole page over example data: arrangements, first run, wishes passed on, names for screen readers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QMimeData, Qt, QTimer, QUrl
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from backend.contract.arguments import MoveArgs
from backend.contract.events import Notice
from gui.pages.train.columns import Arrangement
from gui.pages.train.page import TrainPage
from gui.state.stores import Stores
from gui.theme.palette import Look
from gui.theme.tokens import Tokens
from tests.fakes.accessibility import unnamed_widgets
from tests.fakes.example_session import NOW, example_session, status
from tests.fakes.hostile_strings import HOSTILE_STRINGS
from tests.unit.gui.pages.train.conftest import Wishes, bury, show_in_host


@pytest.fixture
def stores() -> Stores:
    return Stores()


@pytest.fixture
def host(qtbot: QtBot, dressed: Look, stores: Stores) -> Iterator[QWidget]:
    page = TrainPage(stores.session, stores.queue, history=stores.metrics, samples=stores.samples, events=stores.events)
    shown = show_in_host(qtbot, page, 1368, 816)
    yield shown
    bury(shown)


@pytest.fixture
def page(host: QWidget) -> TrainPage:
    found = host.findChild(TrainPage)
    assert isinstance(found, TrainPage)
    return found


def fill(stores: Stores) -> None:
    example = example_session(num_steps=600)
    stores.session.set_status(example.status)
    stores.queue.load(example.jobs)
    stores.metrics.load(example.history)
    stores.metrics.set_marks(example.marks)
    stores.samples.load(example.samples)
    stores.events.load(example.events)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1368, 816, Arrangement.THREE),
        (952, 616, Arrangement.TWO),  # a screen of 1024x700 less rail, header and status bar
        (600, 500, Arrangement.ONE),
        (512, 350, Arrangement.ONE),  # 1024x700 at 200 %
    ],
)
def test_page_takes_the_columns_there_is_room_for_and_never_scrolls_sideways(
    qtbot: QtBot, page: TrainPage, stores: Stores, width: int, height: int, expected: Arrangement
) -> None:
    fill(stores)

    page.setGeometry(0, 0, width, height)
    QTest.qWait(1)

    scroll = page.findChild(QScrollArea)
    assert isinstance(scroll, QScrollArea)
    assert page._columns.arrangement is expected
    assert page._columns.width() <= scroll.viewport().width()
    assert (scroll.verticalScrollBar().maximum() > 0) is (expected is Arrangement.ONE)


def timers_of(page: TrainPage) -> list[QTimer]:
    """Those of curves, queue and events that run now."""
    parts = (page.curves, page.queue_card, page.events.view)
    return [timer for part in parts for timer in part.findChildren(QTimer) if timer.isActive()]


@pytest.mark.parametrize("way", ["minimised", "behind the tray"])
def test_page_rests_while_nobody_sees_it_and_catches_up(
    qtbot: QtBot, host: QWidget, page: TrainPage, stores: Stores, way: str
) -> None:
    qtbot.waitUntil(lambda: timers_of(page) == [])
    page.set_resting(True) if way == "minimised" else host.hide()

    fill(stores)
    stores.events.add(Notice(at=NOW, level="info", title="Something", message="long " * 60))
    assert timers_of(page) == []

    page.set_resting(False) if way == "minimised" else host.show()
    rows = page.events.view.verticalHeader()
    qtbot.waitUntil(lambda: rows.sectionSize(0) > rows.defaultSectionSize())
    qtbot.waitUntil(lambda: page.queue_card._detail.full_text != "")
    assert len(page.curves._small[0].line._series) == len(stores.metrics.series("step"))


def test_page_shows_events_or_sample_where_there_is_room_for_one(page: TrainPage, stores: Stores) -> None:
    fill(stores)
    page.setGeometry(0, 0, 952, 616)
    QTest.qWait(1)
    assert page.sample.isVisible()
    assert not page.events.isVisible()

    page.sample._switch.click()
    assert page.events.isVisible()
    assert not page.sample.isVisible()
    page.setGeometry(0, 0, 1368, 816)
    QTest.qWait(1)
    assert page.sample.isVisible()
    assert page.events.isVisible()


def test_page_shows_the_first_steps_until_there_is_a_base_model(page: TrainPage, stores: Stores) -> None:
    panel = QLabel("three ways")
    page.place_first_run(panel)
    assert not panel.isVisible()  # nobody knows yet whether there is one

    stores.session.set_status(status())
    assert panel.isVisible()
    assert not page.curves.isVisible()
    stores.session.set_status(status(base_id="smollm2"))
    assert not panel.isVisible()
    assert page.curves.isVisible()


def test_page_passes_on_the_wishes_of_its_cards(page: TrainPage, stores: Stores) -> None:
    fill(stores)
    wishes = Wishes(
        page,
        "move_requested",
        "remove_requested",
        "preview_requested",
        "open_requested",
        "undo_requested",
        "files_dropped",
        "evaluate_requested",
        "sample_requested",
    )

    stores.queue.move_down([5])
    page.queue_card.view.select_jobs([5])
    QTest.keyClick(page.queue_card.view, Qt.Key.Key_Delete)
    QTest.keyClick(page.queue_card.view, Qt.Key.Key_Return)
    page.queue_card._undo.click()
    page.drop_zone.open_requested.emit()
    page.drop_zone.paths_pasted.emit(["/tmp/a.jsonl"])
    page.drop_zone.paths_pasted.emit([])
    page.generalisation._evaluate.click()
    page.sample._again.click()

    assert wishes.said == [
        ("move_requested", MoveArgs(job_ids=[5], after=6)),
        ("remove_requested", [5]),
        ("preview_requested", 5),
        ("undo_requested",),
        ("open_requested",),
        ("files_dropped", ["/tmp/a.jsonl"], None),
        ("evaluate_requested",),
        ("sample_requested",),
    ]


def test_page_takes_pasted_files(page: TrainPage) -> None:
    wishes = Wishes(page, "files_dropped")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/tmp/a b.jsonl")])
    QGuiApplication.clipboard().setMimeData(data)

    QTest.keyClick(page, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)

    assert wishes.said == [("files_dropped", ["/tmp/a b.jsonl"], None)]


@pytest.mark.parametrize("is_hidden", [True, False], ids=["hidden", "shown"])
def test_page_takes_the_colours_of_another_look(
    host: QWidget,
    page: TrainPage,
    stores: Stores,
    dressed: Look,
    is_hidden: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(stores)
    told: list[Tokens] = []
    monkeypatch.setattr(page.curves.chart, "set_tokens", told.append)
    host.setVisible(not is_hidden)

    dressed.choose("light")
    host.show()

    text, muted = QColor(dressed.tokens.text), QColor(dressed.tokens.text_muted)
    assert page.sample._answer.palette().color(QPalette.ColorRole.Text) == text
    assert page.sample._prompt.palette().color(QPalette.ColorRole.WindowText) == muted
    assert page.queue_card.view.palette().color(QPalette.ColorRole.Text) == text
    assert told[-1] is dressed.tokens


def test_page_names_everything_for_a_screen_reader(page: TrainPage, stores: Stores) -> None:
    fill(stores)

    assert unnamed_widgets(page) == []


def test_page_shows_no_label_as_rich_text(page: TrainPage, stores: Stores) -> None:
    fill(stores)

    labels = [label for label in page.findChildren(QLabel) if label.textFormat() is not Qt.TextFormat.PlainText]
    assert [label.text() for label in labels if not label.text().startswith("Smoothing")] == []


def test_page_stands_hostile_words_of_the_service(page: TrainPage, stores: Stores) -> None:
    fill(stores)

    for text in HOSTILE_STRINGS:
        stores.session.set_status(status(can_undo=text, can_redo=text, base_id=text))

    assert page.minimumSizeHint().width() < 700
