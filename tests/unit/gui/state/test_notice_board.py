from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from backend.contract.events import BaseChanged, JobChanged, Notice
from backend.contract.jobs import JobState
from backend.contract.models import BaseModelView
from gui.state.notice_board import NoticeBoard
from tests.fakes.fake_backend import job

Posted = list[tuple[str, str, str]]


def notice(at: float, title: str = "A title", job_id: int | None = None) -> Notice:
    return Notice(at=at, level="warning", title=title, message="It happened.", job_id=job_id)


def ended(at: float, job_id: int, state: JobState = JobState.FAILED, cause: str | None = None) -> JobChanged:
    return JobChanged(at=at, job=job(job_id, state, reason="why"), cause=state.value if cause is None else cause)


@pytest.fixture
def board(qapp: object) -> NoticeBoard:
    made = NoticeBoard()
    made.load([notice(1.0), ended(2.0, 1)])
    return made


@pytest.fixture
def posted(board: NoticeBoard) -> Posted:
    seen: Posted = []
    board.notice_posted.connect(lambda *words: seen.append(words))
    return seen


def test_board_posts_what_happens_and_not_what_was_there_when_the_window_opened(
    board: NoticeBoard, posted: Posted
) -> None:
    board.see(notice(1.0))  # told by the stream too
    assert posted == []
    board.see(notice(3.0))
    assert posted == [("warning", "A title", "It happened.")]


def test_board_posts_what_happened_while_the_stream_was_away(board: NoticeBoard, posted: Posted) -> None:
    board.see(notice(3.0))
    board.load([notice(1.0), notice(3.0), notice(4.0, "Another")])
    assert [title for _, title, _ in posted] == ["A title", "Another"]


def test_board_posts_once_when_the_same_words_come_again_soon(board: NoticeBoard, posted: Posted) -> None:
    for at in (3.0, 10.0, 200.0):
        board.see(notice(at))
    assert len(posted) == 2


def test_board_tells_one_failure_with_the_words_that_say_more(board: NoticeBoard, posted: Posted, qtbot: QtBot) -> None:
    board.see(ended(3.0, 4, JobState.QUARANTINED))
    board.see(notice(3.0, "file-4.jsonl cannot go on", job_id=4))
    board.see(ended(3.0, 5))
    qtbot.waitUntil(lambda: len(posted) == 2)
    assert [title for _, title, _ in posted] == ["file-4.jsonl cannot go on", "file-5.jsonl failed"]


def test_board_gathers_many_ends_into_one_notice(board: NoticeBoard, posted: Posted, qtbot: QtBot) -> None:
    for number in range(10, 50):
        board.see(ended(3.0, number))
    board.see(ended(3.0, 5, JobState.FINISHED))
    board.see(ended(3.0, 6, JobState.BLOCKED))
    qtbot.waitUntil(lambda: len(posted) == 3)
    assert posted[0] == ("info", "file-5.jsonl is done", "500 examples, 65 steps.")
    assert posted[1] == ("warning", "file-6.jsonl needs you", "why")
    assert posted[2] == ("error", "40 files failed", "file-10.jsonl, file-11.jsonl, file-12.jsonl …")


def test_board_is_silent_about_states_that_only_came_back(board: NoticeBoard, posted: Posted) -> None:
    board.see(ended(3.0, 5, JobState.FAILED, "undo"))
    board.see(ended(3.0, 6, JobState.QUEUED))
    assert (posted, board._timer.isActive()) == ([], False)


def test_board_tells_when_a_base_model_is_ready_or_failed(board: NoticeBoard, posted: Posted) -> None:
    for state in ("fetching", "ready", "failed"):
        view = BaseModelView(base_id="smol", source="org/smol", folder="/x", state=state, reason="no space")
        board.see(BaseChanged(at=3.0, base=view))
    assert [words[0] for words in posted] == ["info", "error"]


def test_board_tells_words_of_the_window_itself(board: NoticeBoard, posted: Posted) -> None:
    board.tell("info", "Saved")
    assert posted == [("info", "Saved", "")]
