"""Base model, validation file, settings, a new lineage."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QObject

from backend.contract.arguments import BaseSetArgs, ConfigSetArgs, ValidationSetArgs
from gui.actions.errands import Errands, Jobs, why_unreachable
from gui.client.service_client import Reply
from gui.state.session_store import SessionStore

translate = QCoreApplication.translate


class SetupActions(QObject):
    """What training starts from and is measured with."""

    def __init__(self, errands: Errands) -> None:
        super().__init__(errands)
        self._errands = errands

    def set_base(self, source: str, revision: str = "main") -> Reply:
        """A folder, a GGUF file, a Hub id, or `sample`; the way there is told by BaseStore.preparing."""
        return self._errands.change("base.set", BaseSetArgs(source=source, revision=revision or "main"))

    def set_validation(self, path: str) -> Reply:
        """Measure with one's own rows."""
        words = translate("SetupActions", "The validation set is the file you named.")
        return self._errands.change("validation.set", ValidationSetArgs(path=path), said=words)

    def set_config(self, key: str, value: str) -> Reply:
        """Change a setting, for files added from now on."""
        return self._errands.change("config.set", ConfigSetArgs(key=key, value=value))

    def new_lineage(self) -> Reply:
        """Start again from the base model; asked only after a person agreed."""
        words = translate("SetupActions", "A new lineage starts from the base model. What was trained stays.")
        return self._errands.change("lineage.new", said=words)


def why_not_new_lineage(session: SessionStore, jobs: Jobs) -> str:
    """Not under a file in training."""
    if problem := why_unreachable(session, jobs):
        return problem
    is_training = session.status is not None and session.status.job is not None
    return translate("SetupActions", "A file is being trained. Stop it first.") if is_training else ""
