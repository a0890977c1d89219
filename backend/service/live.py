"""What is true this moment and worth nothing after a restart: phase, speed, what is being checked."""

from __future__ import annotations

from backend.contract.spool import (
    AnyTrainerEvent,
    Evaluated,
    JobStarted,
    Paused,
    PhaseChanged,
    Resumed,
    Sampled,
    Started,
    Step,
)

_SMOOTHING = 0.2
"""Weight of the newest step in the speeds shown."""


class Live:
    """Kept up from the trainer's events, on the event loop's thread; others may read."""

    def __init__(self) -> None:
        self.phase = ""
        self.device = ""
        self.job_id: int | None = None
        self.job_step = 0
        self.total_steps = 0
        self.last_step: Step | None = None
        self.seconds_per_step: float | None = None
        self.tokens_per_second: float | None = None
        self.paused_because = ""
        self.checking: str = ""
        self.checking_job: int | None = None
        self.check_share: float | None = None
        self.waiting_for = ""
        """Why a trainer that should run is not started yet, as a sentence."""
        self.error: str | None = None
        """What went wrong last and was not mended yet."""

    def see(self, event: AnyTrainerEvent) -> None:
        """One event, after it was committed."""
        match event:
            case Started(device=device):
                self.device = device
            case PhaseChanged(phase=phase):
                self.phase = phase
            case JobStarted(job_id=job_id, job_step=job_step, total_steps=total):
                self.job_id, self.job_step, self.total_steps = job_id, job_step, total
                self.seconds_per_step = self.tokens_per_second = None
                self.error = None
            case Step():
                self._see_step(event)
            case Evaluated() | Sampled():
                self.error = None
            case Paused(reason=reason):
                self.phase, self.paused_because = "paused", reason
            case Resumed():
                self.phase, self.paused_because = "training", ""

    def _see_step(self, step: Step) -> None:
        self.phase = "training"
        self.job_id, self.job_step, self.last_step = step.job_id, step.job_step, step
        self.error = None
        if step.seconds > 0:
            self.seconds_per_step = _smooth(self.seconds_per_step, step.seconds)
            self.tokens_per_second = _smooth(self.tokens_per_second, step.num_tokens / step.seconds)

    def trainer_ended(self) -> None:
        """There is no trainer any more."""
        self.phase = self.device = self.paused_because = ""
        self.tokens_per_second = None

    def eta_seconds(self, remaining_steps: int) -> float | None:
        """How long that many steps take at the present speed."""
        if self.seconds_per_step is None or remaining_steps < 0:
            return None
        return remaining_steps * self.seconds_per_step


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + _SMOOTHING * (new - old)
