"""Fusion with our own scroll bars, fields, menus and tooltips.

A style, not a style sheet: with any sheet on the application Qt matches rules for every widget, which makes building
a window twice as slow and changing its theme a hundred times.
"""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QPlainTextEdit,
    QProxyStyle,
    QStyle,
    QStyleOption,
    QStyleOptionComplex,
    QStyleOptionFrame,
    QStyleOptionSlider,
    QTextEdit,
    QWidget,
)

from gui.theme.tokens import CONTROL_HEIGHT, CONTROL_RADIUS, FOCUS_WIDTH, Tokens

_HANDLE_INSET = 4
_LEAST_HANDLE = 32
_FIELD_PADDING = 6
"""Beside the text of a field, with the little that Qt leaves by itself."""

_Primitive = QStyle.PrimitiveElement
_State = QStyle.StateFlag
_SubControl = QStyle.SubControl


class HouseStyle(QProxyStyle):
    """Paints from `tokens`, which the look keeps true."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__("Fusion")
        self.tokens = tokens

    def drawComplexControl(
        self,
        control: QStyle.ComplexControl,
        option: QStyleOptionComplex,
        painter: QPainter,
        widget: QWidget | None = None,
    ) -> None:
        if control == QStyle.ComplexControl.CC_ScrollBar and isinstance(option, QStyleOptionSlider):
            self._draw_scroll_bar(option, painter)
        else:
            super().drawComplexControl(control, option, painter, widget)

    def subControlRect(
        self,
        control: QStyle.ComplexControl,
        option: QStyleOptionComplex,
        sub_control: QStyle.SubControl,
        widget: QWidget | None = None,
    ) -> QRect:
        if control == QStyle.ComplexControl.CC_ScrollBar and isinstance(option, QStyleOptionSlider):
            return _scroll_bar_part(option, sub_control)
        # Qt takes no widget as well; its stubs do not say so.
        return super().subControlRect(control, option, sub_control, widget)  # type: ignore[arg-type]

    def subElementRect(self, element: QStyle.SubElement, option: QStyleOption, widget: QWidget | None = None) -> QRect:
        box = super().subElementRect(element, option, widget)  # type: ignore[arg-type]
        has_frame = isinstance(option, QStyleOptionFrame) and option.lineWidth > 0
        if element == QStyle.SubElement.SE_LineEditContents and has_frame:
            return box.adjusted(_FIELD_PADDING, 0, -_FIELD_PADDING, 0)
        return box

    def drawPrimitive(
        self,
        element: QStyle.PrimitiveElement,
        option: QStyleOption,
        painter: QPainter,
        widget: QWidget | None = None,
    ) -> None:
        if element == _Primitive.PE_PanelLineEdit and isinstance(option, QStyleOptionFrame) and option.lineWidth > 0:
            self._draw_field(option, painter)
        elif element == _Primitive.PE_Frame and isinstance(widget, QAbstractScrollArea):
            if isinstance(widget, QPlainTextEdit | QTextEdit):
                self._draw_field(option, painter)
        elif element in (_Primitive.PE_PanelMenu, _Primitive.PE_PanelTipLabel):
            painter.setPen(QPen(QColor(self.tokens.border_strong), 1))
            painter.setBrush(QColor(self.tokens.panel_raised))
            painter.drawRect(QRectF(option.rect).adjusted(0.5, 0.5, -0.5, -0.5))
        elif element == _Primitive.PE_FrameMenu:
            pass  # the panel has it
        else:
            super().drawPrimitive(element, option, painter, widget)

    def drawControl(
        self,
        element: QStyle.ControlElement,
        option: QStyleOption,
        painter: QPainter,
        widget: QWidget | None = None,
    ) -> None:
        if element == QStyle.ControlElement.CE_MenuItem and option.state & _State.State_Selected:
            painter.save()
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self.tokens.selection))
            painter.drawRoundedRect(QRectF(option.rect).adjusted(3, 0, -3, 0), 4, 4)
            painter.restore()
            option.state &= ~_State.State_Selected  # Fusion would paint its own ground over ours
        super().drawControl(element, option, painter, widget)

    def sizeFromContents(
        self, kind: QStyle.ContentsType, option: QStyleOption, size: QSize, widget: QWidget | None = None
    ) -> QSize:
        grown = super().sizeFromContents(kind, option, size, widget)  # type: ignore[arg-type]
        if kind == QStyle.ContentsType.CT_LineEdit:
            return grown.expandedTo(QSize(0, CONTROL_HEIGHT))
        if kind == QStyle.ContentsType.CT_MenuItem and grown.height() > 12:  # not a separator
            return grown.expandedTo(QSize(0, 27))
        return grown

    def _draw_scroll_bar(self, option: QStyleOptionSlider, painter: QPainter) -> None:
        if option.maximum <= option.minimum:
            return
        is_hot = bool(option.state & (_State.State_MouseOver | _State.State_Sunken))
        handle = QRectF(_scroll_bar_part(option, _SubControl.SC_ScrollBarSlider))
        handle.adjust(_HANDLE_INSET, _HANDLE_INSET, -_HANDLE_INSET, -_HANDLE_INSET)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.tokens.text_faint if is_hot else self.tokens.border_strong))
        radius = min(handle.width(), handle.height()) / 2
        painter.drawRoundedRect(handle, radius, radius)
        painter.restore()

    def _draw_field(self, option: QStyleOption, painter: QPainter) -> None:
        has_focus = bool(option.state & _State.State_HasFocus)
        width = FOCUS_WIDTH if has_focus else 1
        edge = self.tokens.focus if has_focus else self.tokens.border_strong
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(edge), width))
        painter.setBrush(QColor(self.tokens.panel))
        inset = width / 2
        painter.drawRoundedRect(
            QRectF(option.rect).adjusted(inset, inset, -inset, -inset), CONTROL_RADIUS, CONTROL_RADIUS
        )
        painter.restore()


def _scroll_bar_part(option: QStyleOptionSlider, part: QStyle.SubControl) -> QRect:
    """Handle and the ways before and behind it; there are no arrows."""
    bar = option.rect
    is_vertical = option.orientation == Qt.Orientation.Vertical
    length = bar.height() if is_vertical else bar.width()
    span = option.maximum - option.minimum
    handle = length
    if span > 0:
        handle = min(max(round(length * option.pageStep / (span + option.pageStep)), _LEAST_HANDLE), length)
    start = QStyle.sliderPositionFromValue(
        option.minimum, option.maximum, option.sliderPosition, length - handle, option.upsideDown
    )
    if part == _SubControl.SC_ScrollBarSlider:
        first, size = start, handle
    elif part == _SubControl.SC_ScrollBarSubPage:
        first, size = 0, start
    elif part == _SubControl.SC_ScrollBarAddPage:
        first, size = start + handle, length - start - handle
    elif part == _SubControl.SC_ScrollBarGroove:
        first, size = 0, length
    else:
        return QRect()
    if is_vertical:
        return QRect(bar.x(), bar.y() + first, bar.width(), size)
    return QRect(bar.x() + first, bar.y(), size, bar.height())
