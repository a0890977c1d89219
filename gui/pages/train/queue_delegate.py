"""How a row of the queue is painted: group names, jobs, what is wrong with them. All text is drawn letter by letter."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
    QWidget,
)

from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, JobState, JobView
from gui.state.queue_model import QueueRole
from gui.theme import font as fonts
from gui.theme.icons import icon_pixmap
from gui.theme.palette import tokens_for
from gui.theme.tokens import Tokens
from gui.widgets import numbers
from gui.widgets.plain import plain, tooltip

HEADER_HEIGHT = 32
JOB_HEIGHT = 52
RUNNING_HEIGHT = 62
GUTTER = 34
_SIDE = 10
_RADIUS = 8
_NAME_LETTERS = 160
_DETAIL_LETTERS = 200
_ANY_ROOM = 1e6
_CACHE_SIZE = 4_000

AnyIndex = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Mark:
    """The small drawing before a job, and which token colours it."""

    icon: str
    color: str


MARKS: dict[JobState, Mark] = {
    JobState.CHECKING: Mark("search", "text_muted"),
    JobState.BLOCKED: Mark("warning", "warning"),
    JobState.HELD: Mark("hold", "text_muted"),
    JobState.STARTING: Mark("play", "accent"),
    JobState.TRAINING: Mark("play", "accent"),
    JobState.EVALUATING: Mark("evaluate", "validation"),
    JobState.SAVING: Mark("disk", "accent"),
    JobState.PAUSED: Mark("pause", "text_muted"),
    JobState.STOPPING: Mark("stop", "text_muted"),
    JobState.FINISHED: Mark("check", "good"),
    JobState.SKIPPED: Mark("skip", "text_muted"),
    JobState.FAILED: Mark("error", "stop"),
    JobState.QUARANTINED: Mark("warning", "stop"),
}
"""A queued job has none: it shows its handle."""

_LOUD = {JobState.BLOCKED: "warning", JobState.FAILED: "stop", JobState.QUARANTINED: "stop"}


class QueueDelegate(QStyledItemDelegate):
    """Paints headers and jobs. Keeps shortened texts, so that scrolling only draws."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.dragged_ids: Collection[int] = frozenset()
        """Jobs that are on their way: painted faint at the place they left."""
        self._shortened: dict[tuple[str, int, bool], tuple[str, float]] = {}
        self._dress(parent.font())

    def _dress(self, font: QFont) -> None:
        self._font = QFont(font)
        self._small = fonts.small(font)
        self._name_metrics = QFontMetricsF(self._font)
        self._small_metrics = QFontMetricsF(self._small)
        self._shortened.clear()

    def _paint_header(self, painter: QPainter, rect: QRectF, text: str, tokens: Tokens) -> None:
        painter.setFont(self._small)
        painter.setPen(QColor(tokens.text_muted))
        painter.drawText(rect.adjusted(_SIDE, 0, -_SIDE, -5), Qt.AlignmentFlag.AlignBottom, text)

    def _paint_job(
        self, painter: QPainter, rect: QRectF, job: JobView, *, index: AnyIndex, tokens: Tokens, is_hot: bool
    ) -> None:
        self._paint_gutter(painter, rect, job, tokens=tokens, is_hot=is_hot)
        left, right = rect.left() + GUTTER, rect.right() - _SIDE
        top = rect.top() + 8
        name, badge = plain(job.file_name, _NAME_LETTERS), str(index.data(QueueRole.BadgeRole) or "")
        if badge and self._width_of(name) + self._badge_width(badge) + 6 > right - left:
            badge = numbers.count(job.num_problems)  # the name first; the tooltip has the words
        badge_width = self._badge_width(badge)
        name_room = right - left - (badge_width + 6 if badge else 0)
        name, name_width = self._fitted(name, name_room, is_small=False)
        painter.setFont(self._font)
        is_over = job.state in TERMINAL_STATES or job.state == JobState.HELD
        painter.setPen(QColor(tokens.text_muted if is_over else tokens.text))
        painter.drawText(QRectF(left, top, name_room + 2, 18), Qt.AlignmentFlag.AlignVCenter, name)
        if badge:
            self._paint_badge(painter, QRectF(left + name_width + 6, top, badge_width, 18), badge, tokens)
        detail, _ = self._fitted(
            plain(str(index.data(QueueRole.DetailRole) or ""), _DETAIL_LETTERS), right - left, is_small=True
        )
        painter.setFont(self._small)
        painter.setPen(QColor(getattr(tokens, _LOUD.get(job.state, "text_muted"))))
        painter.drawText(QRectF(left, top + 19, right - left, 16), Qt.AlignmentFlag.AlignVCenter, detail)
        progress = index.data(QueueRole.ProgressRole)
        if progress is not None:
            room = rect.bottom() - (10 if job.state in ACTIVE_STATES else 7)
            color = tokens.accent if job.state in ACTIVE_STATES - {JobState.PAUSED} else tokens.text_faint
            self._paint_progress(painter, QRectF(left, room, right - left, 4), float(progress), tokens, color)

    def _paint_gutter(self, painter: QPainter, rect: QRectF, job: JobView, *, tokens: Tokens, is_hot: bool) -> None:
        middle = rect.top() + 26
        mark = MARKS.get(job.state)
        if mark is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.text if is_hot else tokens.text_faint))
            for column in (0, 6):
                for row in (-6, 0, 6):
                    painter.drawEllipse(QRectF(rect.left() + _SIDE + 3 + column, middle + row - 1, 2, 2))
            return
        pixmap = icon_pixmap(mark.icon, getattr(tokens, mark.color), 16)
        painter.drawPixmap(round(rect.left()) + _SIDE, round(middle) - 8, pixmap)

    def _paint_badge(self, painter: QPainter, rect: QRectF, text: str, tokens: Tokens) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.accent_soft))
        painter.drawRoundedRect(rect, 9, 9)
        painter.setFont(self._small)
        painter.setPen(QColor(tokens.accent))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_progress(self, painter: QPainter, rect: QRectF, share: float, tokens: Tokens, color: str) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.track))
        painter.drawRoundedRect(rect, 2, 2)
        painter.setBrush(QColor(color))
        done = QRectF(rect)
        done.setWidth(max(4.0, rect.width() * min(1.0, max(0.0, share))))
        painter.drawRoundedRect(done, 2, 2)

    def _badge_width(self, badge: str) -> float:
        return self._small_metrics.horizontalAdvance(badge) + 16 if badge else 0.0

    def _width_of(self, name: str) -> float:
        return self._fitted(name, _ANY_ROOM, is_small=False)[1]

    def _fitted(self, text: str, room: float, *, is_small: bool) -> tuple[str, float]:
        """The text shortened to the room, and its width; remembered, because shaping is what costs."""
        key = (text, int(room), is_small)
        known = self._shortened.get(key)
        if known is None:
            metrics = self._small_metrics if is_small else self._name_metrics
            mode = Qt.TextElideMode.ElideRight if is_small else Qt.TextElideMode.ElideMiddle
            short = metrics.elidedText(text, mode, room)
            known = (short, metrics.horizontalAdvance(short))
            if len(self._shortened) >= _CACHE_SIZE:
                self._shortened.clear()
            self._shortened[key] = known
        return known

    # Qt's own names

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        widget = option.widget
        if option.font != self._font:
            self._dress(option.font)
        tokens = tokens_for(widget)
        rect = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        header = index.data(QueueRole.HeaderRole)
        if header is not None:
            self._paint_header(painter, rect, str(header), tokens)
        elif (job := index.data(QueueRole.JobRole)) is not None:
            state = option.state
            _paint_ground(painter, rect, state, job=job, tokens=tokens)
            if job.job_id in self.dragged_ids:
                painter.setOpacity(0.35)
            is_hot = bool(state & QStyle.StateFlag.State_MouseOver)
            self._paint_job(painter, rect, job, index=index, tokens=tokens, is_hot=is_hot)
        painter.restore()

    def helpEvent(
        self, event: QHelpEvent, view: QAbstractItemView, option: QStyleOptionViewItem, index: AnyIndex
    ) -> bool:
        job = index.data(QueueRole.JobRole)
        if event.type() != QEvent.Type.ToolTip or job is None:
            return super().helpEvent(event, view, option, index)
        parts = (job.file_name, index.data(QueueRole.DetailRole), index.data(QueueRole.BadgeRole))
        QToolTip.showText(event.globalPos(), tooltip("\n".join(str(part) for part in parts if part)), view)
        return True

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        return QSize(120, JOB_HEIGHT)


def _paint_ground(painter: QPainter, rect: QRectF, state: QStyle.StateFlag, *, job: JobView, tokens: Tokens) -> None:
    flag = QStyle.StateFlag
    ground = ""
    if state & flag.State_Selected:
        ground = tokens.selection
    elif state & flag.State_MouseOver:
        ground = tokens.hover
    elif job.state in ACTIVE_STATES:
        ground = tokens.accent_soft
    has_focus = bool(state & flag.State_HasFocus)
    if not ground and not has_focus:
        return
    painter.setPen(QPen(QColor(tokens.focus), 1) if has_focus else Qt.PenStyle.NoPen)
    painter.setBrush(QColor(ground) if ground else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(rect.adjusted(0.5, 1.5, -0.5, -1.5), _RADIUS, _RADIUS)
