"""The small style sheet over Fusion: what a palette cannot say of Qt's own controls."""

from __future__ import annotations

from gui.theme.tokens import CONTROL_RADIUS, FOCUS_WIDTH, Tokens


def sheet(tokens: Tokens) -> str:
    """Sheet for the whole application. Only Qt's own controls: our widgets paint themselves from the tokens."""
    t, radius = tokens, CONTROL_RADIUS
    return f"""
QToolTip {{ background: {t.tooltip}; color: {t.text}; border: 1px solid {t.border_strong}; padding: 4px 6px; }}

QMenu {{ background: {t.panel_raised}; color: {t.text}; border: 1px solid {t.border_strong}; padding: 4px; }}
QMenu::item {{ padding: 5px 24px 5px 10px; border-radius: 4px; }}
QMenu::item:selected {{ background: {t.selection}; }}
QMenu::item:disabled {{ color: {t.text_faint}; }}
QMenu::separator {{ height: 1px; background: {t.border}; margin: 4px 6px; }}
QMenu::icon {{ padding-left: 8px; }}

QLineEdit, QPlainTextEdit, QTextEdit, QTextBrowser {{
  background: {t.panel}; color: {t.text}; border: 1px solid {t.border_strong}; border-radius: {radius}px;
  selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
QLineEdit {{ padding: 5px 8px; min-height: 18px; }}
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QTextBrowser:focus {{
  border: {FOCUS_WIDTH}px solid {t.focus};
}}
QLineEdit:focus {{ padding: 4px 7px; }}
QLineEdit:disabled {{ color: {t.text_faint}; border-color: {t.border}; }}

QComboBox {{
  background: {t.panel}; color: {t.text}; border: 1px solid {t.border_strong}; border-radius: {radius}px;
  padding: 4px 8px; min-height: 18px;
}}
QComboBox:focus {{ border: {FOCUS_WIDTH}px solid {t.focus}; padding: 3px 7px; }}
QComboBox QAbstractItemView {{
  background: {t.panel_raised}; border: 1px solid {t.border_strong}; selection-background-color: {t.selection};
  selection-color: {t.text}; outline: none;
}}

QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {t.border_strong}; border-radius: 3px; margin: 2px; }}
QScrollBar::handle:vertical {{ min-height: 32px; }}
QScrollBar::handle:horizontal {{ min-width: 32px; }}
QScrollBar::handle:hover, QScrollBar::handle:pressed {{ background: {t.text_faint}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QProgressBar {{ background: {t.track}; border: none; border-radius: 2px; max-height: 4px; min-height: 4px; }}
QProgressBar::chunk {{ background: {t.accent}; border-radius: 2px; }}

QSplitter::handle {{ background: transparent; }}
QAbstractScrollArea {{ border: none; }}
"""
