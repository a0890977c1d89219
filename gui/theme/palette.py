"""Which look is on: tokens become a palette, the palette carries the tokens to every widget.

A widget never holds a colour: it asks `tokens_for(self)` when it paints, and Qt tells it through its palette when
the look has changed.
"""

from __future__ import annotations

from typing import Literal, get_args

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from gui.theme.font import load_font
from gui.theme.style import HouseStyle
from gui.theme.tokens import DARK, LIGHT, Theme, Tokens, mixed, tokens_of

Preference = Literal["system", "light", "dark"]

_SCHEMES = {Theme.DARK: Qt.ColorScheme.Dark, Theme.LIGHT: Qt.ColorScheme.Light}


class Look(QObject):
    """Holds the preference, follows the system, dresses the application."""

    changed = Signal(object)  # Tokens

    def __init__(self, app: QApplication, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self._preference: Preference = "system"
        self._system_is_dark = is_dark(app.palette())  # before ours is set: the platform's word
        self._font: QFont | None = None
        self._style: HouseStyle | None = None
        self._tokens = tokens_of(self._wanted())
        app.styleHints().colorSchemeChanged.connect(self._on_color_scheme_changed)

    @property
    def tokens(self) -> Tokens:
        """The table in force."""
        return self._tokens

    @property
    def preference(self) -> Preference:
        """What was chosen, `system` when nothing was."""
        return self._preference

    def choose(self, preference: str) -> None:
        """Take a look by name; a name that is not known means `system`."""
        self._preference = next((known for known in get_args(Preference) if known == preference), "system")
        hints = self._app.styleHints()
        if self._preference == "system":
            hints.unsetColorScheme()
        else:
            # Window frames and the system's own dialogs follow where the platform can; bare X11 cannot, and our
            # palette below needs nobody.
            hints.setColorScheme(_SCHEMES[Theme(self._preference)])
        self._refresh()

    def apply(self, app: QApplication | None = None) -> None:
        """Dress the application: style, font, palette. Once at the start; `choose` does it again."""
        app = app or self._app
        if self._style is None:
            self._style = HouseStyle(self._tokens)
            app.setStyle(self._style)
        self._style.tokens = self._tokens
        if self._font is None:
            self._font = load_font()
            app.setFont(self._font)
        app.setPalette(palette_of(self._tokens))
        QToolTip.setPalette(app.palette())
        # Qt tells the widgets at its next turn; who hears `changed` must find them in the new colours already.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.ApplicationPaletteChange.value)

    def _wanted(self) -> Theme:
        if self._preference != "system":
            return Theme(self._preference)
        scheme = self._system_scheme()
        dark = self._system_is_dark if scheme == Qt.ColorScheme.Unknown else scheme == Qt.ColorScheme.Dark
        return Theme.DARK if dark else Theme.LIGHT

    def _system_scheme(self) -> Qt.ColorScheme:
        return self._app.styleHints().colorScheme()

    def _refresh(self) -> None:
        tokens = tokens_of(self._wanted())
        if tokens is self._tokens:
            return
        self._tokens = tokens
        self.apply()
        self.changed.emit(tokens)

    @Slot()
    def _on_color_scheme_changed(self) -> None:
        self._refresh()


def tokens_for(widget: QWidget) -> Tokens:
    """The table this widget is to paint with."""
    return DARK if is_dark(widget.palette()) else LIGHT


def is_dark(palette: QPalette) -> bool:
    """Whether a palette has a dark ground. The ground alone: a widget may have coloured its own text."""
    return palette.color(QPalette.ColorRole.Window).lightness() < 128


def palette_of(tokens: Tokens) -> QPalette:
    """A complete palette: no role is left to the style's own idea of the theme."""
    role = QPalette.ColorRole
    palette = QPalette()
    for name, color in {
        role.Window: tokens.window,
        role.WindowText: tokens.text,
        role.Base: tokens.panel,
        role.AlternateBase: tokens.hover,
        role.Text: tokens.text,
        role.Button: tokens.panel,
        role.ButtonText: tokens.text,
        role.BrightText: tokens.stop,
        role.Light: mixed(tokens.panel, tokens.text, 0.08),
        role.Midlight: mixed(tokens.panel, tokens.text, 0.04),
        role.Mid: tokens.border,
        role.Dark: tokens.border_strong,
        role.Shadow: tokens.shadow,
        role.Highlight: tokens.accent,
        role.HighlightedText: tokens.on_accent,
        role.Accent: tokens.accent,
        role.Link: tokens.accent,
        role.LinkVisited: tokens.accent,
        role.ToolTipBase: tokens.tooltip,
        role.ToolTipText: tokens.text,
        role.PlaceholderText: tokens.text_muted,
    }.items():
        palette.setColor(name, QColor(color))
    for name in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(QPalette.ColorGroup.Disabled, name, QColor(tokens.text_faint))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(tokens.border))
    return palette


def motion_wanted(app: QApplication) -> bool:
    """False where the system asks for reduced motion (Qt 6.12 and later can say so)."""
    accessibility = getattr(app.styleHints(), "accessibility", None)
    hints = accessibility() if accessibility is not None else None
    preference = getattr(hints, "motionPreference", None)
    return preference is None or getattr(preference(), "name", "") != "ReducedMotion"
