"""Where things lie in a workspace: names only, nothing is read or written here."""

from __future__ import annotations

from pathlib import Path


class Workspace:
    """The layout of one workspace folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder a workspace has from the start."""
        return (
            self.inbox,
            self.inbox_done,
            self.inbox_refused,
            self.datasets,
            self.current_model,
            self.base_models,
            self.root / "models" / "versions",
            self.root / "models" / "backups",
            self.root / "consolidated_models",
            self.validation,
            self.logs,
            self.status,
            self.spool,
            self.quarantine,
            self.trash,
        )

    @property
    def inbox(self) -> Path:
        """Files put here are added to the queue."""
        return self.root / "inbox"

    @property
    def inbox_done(self) -> Path:
        """Files that were taken in."""
        return self.inbox / "done"

    @property
    def inbox_refused(self) -> Path:
        """Files that could not be used, each with `NAME.reason.txt` beside it."""
        return self.inbox / "refused"

    @property
    def datasets(self) -> Path:
        """`datasets/SHA256[:32]/source` and its token stores."""
        return self.root / "datasets"

    @property
    def current_model(self) -> Path:
        """Checkpoint folders `step-GLOBALSTEP-ATTEMPT`."""
        return self.root / "current_model"

    @property
    def base_models(self) -> Path:
        """`models/base/BASE_ID/`."""
        return self.root / "models" / "base"

    @property
    def validation(self) -> Path:
        """`data/validation/VALIDATION_ID/`."""
        return self.root / "data" / "validation"

    @property
    def logs(self) -> Path:
        """`everstep_YYYYMMDD.log`."""
        return self.root / "logs"

    @property
    def status(self) -> Path:
        """Small files about the present state."""
        return self.root / "status"

    @property
    def spool(self) -> Path:
        """One folder per trainer process, named by attempt id."""
        return self.root / "spool"

    @property
    def quarantine(self) -> Path:
        """Damaged things, kept."""
        return self.root / "quarantine"

    @property
    def trash(self) -> Path:
        """Deleted things, kept until a purge is approved."""
        return self.root / "trash"

    @property
    def config_file(self) -> Path:
        """Settings."""
        return self.root / "config.json"

    @property
    def database(self) -> Path:
        """The SQLite database; nobody but the service opens it."""
        return self.root / "everstep.db"

    @property
    def journal(self) -> Path:
        """Every committed change as a JSON line."""
        return self.root / "journal.jsonl"

    @property
    def stop_file(self) -> Path:
        """While it exists nothing trains."""
        return self.root / ".stop"

    @property
    def service_lock(self) -> Path:
        """Held by the service."""
        return self.status / "service.lock"

    @property
    def guardian_lock(self) -> Path:
        """Held by the guardian."""
        return self.status / "guardian.lock"

    @property
    def endpoint_file(self) -> Path:
        """Where the service listens (0600)."""
        return self.status / "endpoint.json"

    @property
    def last_status_file(self) -> Path:
        """Newest StatusView, for `status` without a service."""
        return self.status / "last.json"

    @property
    def training_status_file(self) -> Path:
        """The file old `jq` lines read."""
        return self.status / "training_status.json"

    @property
    def ended_file(self) -> Path:
        """How processes ended, written by the guardian: newest last, at most 200."""
        return self.status / "ended.json"
