"""The environment a child of the window gets: the user's own, without what belongs to this program's windows.

A packaged window finds its libraries through variables that would make the service's Python load the wrong ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_OURS = re.compile(
    r"LD_LIBRARY_PATH|LD_PRELOAD|DYLD_.*|QT_.*|QML.*|PYSIDE.*|SHIBOKEN.*|_PYI_.*|_MEIPASS.*|PYTHON.*|VIRTUAL_ENV.*"
    r"|UV_.*|GIO_MODULE_DIR|GTK_PATH|GTK_EXE_PREFIX|FONTCONFIG_FILE|XDG_ACTIVATION_TOKEN|DESKTOP_STARTUP_ID"
    r"|APPDIR|APPIMAGE|ARGV0|OWD"
)
_ORIGINAL = "_ORIG"
"""A packager keeps the user's value of a variable it changes under this ending."""


def child_environment(own: Mapping[str, str], **more: str) -> dict[str, str]:
    """The variables of `own` that are the user's, with `more` in the end."""
    kept = {name: value for name, value in own.items() if not _OURS.fullmatch(name.removesuffix(_ORIGINAL))}
    for name, value in own.items():
        plain = name.removesuffix(_ORIGINAL)
        if plain != name and _OURS.fullmatch(plain) and not plain.startswith("PYTHON"):
            kept[plain] = value
    return {**kept, **more}
