"""The preview: rows as the model will see them, the learned part coloured, counts that add up, plain text only."""

from __future__ import annotations

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QTextCursor
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from backend.contract.datasets import CheckReport, DatasetView, Preview, RowProblem
from backend.contract.errors import ErrorBody
from gui.dialogs.preview import DatasetPreview, _Report, summary
from gui.dialogs.preview_text import PreviewText, learned_color
from gui.theme.palette import Look
from gui.theme.tokens import DARK, LIGHT, Tokens, contrast
from gui.widgets.numbers import THIN_SPACE
from gui.widgets.plain import plain_lines
from tests.fakes.accessibility import unnamed_widgets
from tests.fakes.hostile_strings import HOSTILE_STRINGS

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

REPORT = CheckReport(
    ok=True,
    format="messages",
    num_rows=8212,
    num_train=7900,
    num_validation=300,
    num_rejected=3,
    num_cut=9,
    num_tokens=1000,
    num_supervised=530,
    previews=[
        Preview(line=12, pieces=[("user: hi\n", False), ("hello <b>you</b>", True)], num_tokens=9, num_supervised=4),
        Preview(line=13, pieces=[("user: bye\n", False), ("so long", True)], num_tokens=8, num_supervised=3),
    ],
    problem_counts={"broken_json": 2, "too_long": 9},
    problems=[
        RowProblem(line=17, kind="broken_json", message="Not JSON."),
        RowProblem(line=44, kind="too_long", message="Cut to 2 048 tokens.", dropped=False),
    ],
)


def dataset(report: CheckReport | None = REPORT, file_name: str = "docs-qa.jsonl") -> DatasetView:
    return DatasetView(dataset_id="d", file_name=file_name, size_bytes=12_345_678, added_at=0.0, report=report)


@pytest.fixture
def preview(qtbot: QtBot, look: Look) -> DatasetPreview:
    made = DatasetPreview("docs-qa.jsonl")
    qtbot.addWidget(made)
    made.show()
    return made


def show(qtbot: QtBot, preview: DatasetPreview, shown: DatasetView) -> None:
    """Show a report and wait until all of it stands there."""
    preview.show_dataset(shown)
    report = preview._content.widget()
    assert isinstance(report, _Report)
    qtbot.waitUntil(lambda: not report._turns.isActive())
    # A layout shows what it was given in a later turn: the last slice is built before it is seen.
    qtbot.waitUntil(lambda: all(label.isVisible() for label in report.findChildren(QLabel)))


def words_of(preview: DatasetPreview) -> str:
    return "\n".join(label.text() for label in preview.findChildren(QLabel) if label.isVisible())


def ground_at(text: PreviewText, position: int) -> str:
    cursor = QTextCursor(text.document())
    cursor.setPosition(position + 1)
    return QColor(cursor.charFormat().background().color()).name()


def test_preview_does_not_block_the_window(preview: DatasetPreview) -> None:
    assert not preview.isModal()
    assert "Reading the report" in words_of(preview)


def test_rows_are_shown_with_the_learned_part_coloured(qtbot: QtBot, preview: DatasetPreview, look: Look) -> None:
    show(qtbot, preview, dataset())
    first, second = preview.findChildren(PreviewText)

    assert first.toPlainText() == "user: hi\nhello <b>you</b>"
    assert first.learned_text == "hello <b>you</b>"
    assert ground_at(first, first.toPlainText().index("hello")) == learned_color(look.tokens)
    assert ground_at(first, 0) != learned_color(look.tokens)
    assert second.learned_text == "so long"


def test_counts_and_problems_are_told(qtbot: QtBot, preview: DatasetPreview) -> None:
    show(qtbot, preview, dataset())
    words = words_of(preview).replace(THIN_SPACE, " ")

    for expected in (
        "8 212 rows",
        "7 900 for training",
        "53 % learned",
        "12.3 MB",
        "2 · broken json",
        "line 17",
        "Not JSON.",
    ):
        assert expected in words
    assert "kept" in words
    assert "and 9 more" in words  # 11 counted, 2 shown


def test_refused_file_says_why(preview: DatasetPreview) -> None:
    refusal = ErrorBody(code="dataset", title="This file cannot be trained on", message="It is a picture.")

    preview.show_dataset(dataset(CheckReport(ok=False, refusal=refusal)))

    assert "It is a picture." in words_of(preview)


def test_file_without_report_is_still_being_checked(preview: DatasetPreview) -> None:
    preview.show_dataset(dataset(None))

    assert "still being checked" in words_of(preview)


def test_new_report_takes_the_place_of_the_old(qtbot: QtBot, preview: DatasetPreview) -> None:
    show(qtbot, preview, dataset())

    show(qtbot, preview, dataset(msgspec.structs.replace(REPORT, previews=REPORT.previews[:1])))

    qtbot.waitUntil(lambda: len(preview.findChildren(PreviewText)) == 1)


def test_failure_can_be_tried_again(qtbot: QtBot, preview: DatasetPreview) -> None:
    preview.show_failure(ErrorBody(code="not_found", title="Not found", message="There is no job 7."))
    assert "There is no job 7." in words_of(preview)

    with qtbot.waitSignal(preview.retry_requested, timeout=1000):
        preview._failure.retry_requested.emit()


def test_escape_closes(qtbot: QtBot, preview: DatasetPreview) -> None:
    qtbot.keyClick(preview, Qt.Key.Key_Escape)

    assert not preview.isVisible()


def test_every_part_has_a_name(qtbot: QtBot, preview: DatasetPreview) -> None:
    show(qtbot, preview, dataset())

    assert unnamed_widgets(preview) == []


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_learned_text_can_be_read(tokens: Tokens) -> None:
    assert contrast(tokens.text, learned_color(tokens)) >= 4.5


def test_colours_follow_the_look(qtbot: QtBot, preview: DatasetPreview, look: Look) -> None:
    show(qtbot, preview, dataset())
    text = preview.findChildren(PreviewText)[0]

    look.choose("light" if look.tokens is DARK else "dark")

    assert ground_at(text, text.toPlainText().index("hello")) == learned_color(look.tokens)


def test_huge_row_is_cut_and_low(qtbot: QtBot, look: Look) -> None:
    text = PreviewText([("a" * 1_000_000, False), ("never reached", True)])
    qtbot.addWidget(text)
    text.resize(600, 100)
    text.show()

    assert len(text.toPlainText()) <= 12_000
    assert text.height() < 400


def test_hostile_rows_and_names_are_shown_as_they_are_written(
    qtbot: QtBot, look: Look, preview: DatasetPreview
) -> None:
    for hostile in HOSTILE_STRINGS:
        row = PreviewText([(hostile, True)])
        qtbot.addWidget(row)
        assert row.toPlainText() == plain_lines(hostile, 12_000).replace("\r", "\n")

        problems = [RowProblem(line=1, kind=hostile, message=hostile)]
        report = CheckReport(ok=True, format=hostile, problems=problems, problem_counts={hostile: 1})
        show(qtbot, preview, dataset(report, file_name=hostile))
        assert all(label.textFormat() != Qt.TextFormat.RichText for label in preview.findChildren(QLabel))


def test_long_report_is_built_in_slices(qtbot: QtBot, preview: DatasetPreview) -> None:
    problems = [RowProblem(line=line, kind="broken_json", message="Not JSON.") for line in range(1, 201)]

    preview.show_dataset(dataset(msgspec.structs.replace(REPORT, problems=problems)))

    assert len(preview.findChildren(QLabel)) < 50  # the rest comes in the next turns
    qtbot.waitUntil(lambda: len(preview.findChildren(QLabel)) > 150)


def test_summary_leaves_out_what_is_zero() -> None:
    words = summary(CheckReport(ok=True, num_rows=5, num_train=5, num_tokens=10, num_supervised=10), 100)

    assert "set aside" not in words
    assert words.replace(THIN_SPACE, " ") == "5 rows · 5 for training · 10 tokens, 100 % learned · 100 B"
