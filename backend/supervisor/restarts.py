"""How long to wait before a trainer is started again: not at all, unless it gets nowhere."""

from __future__ import annotations

FREE_RESTARTS = 3
DELAYS_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
POISON_DEATHS = 5
"""That many deaths of its own doing (no kill from outside) without a new step set a file aside."""
HOPELESS_DEATHS = 5
"""That many deaths of its own doing before it came to a file are no file's fault: the trainer itself is broken."""


class RestartBudget:
    """Counts deaths since the last new step.

    A step counts as new beyond the highest one ever seen of that job: replaying the same steps and dying again
    is not progress.
    """

    def __init__(self) -> None:
        self._job_id: int | None = None
        self._best_step = -1
        self._deaths = 0
        self._own_deaths = 0
        self._early_deaths = 0

    def saw_step(self, job_id: int, global_step: int) -> None:
        """A step was done."""
        if job_id != self._job_id:
            self._job_id, self._best_step = job_id, -1
        if global_step > self._best_step:
            self._best_step = global_step
            self._deaths = self._own_deaths = self._early_deaths = 0

    def saw_death(self, *, own_fault: bool, has_begun: bool = True) -> float:
        """A trainer died, before or after it had begun a file; seconds to wait before the next one."""
        self._deaths += 1
        self._own_deaths += own_fault and has_begun
        self._early_deaths += own_fault and not has_begun
        late = self._deaths - FREE_RESTARTS - 1
        return 0.0 if late < 0 else DELAYS_SECONDS[min(late, len(DELAYS_SECONDS) - 1)]

    @property
    def is_poisoned(self) -> bool:
        """Whether the file has to be set aside."""
        return self._own_deaths >= POISON_DEATHS

    @property
    def is_hopeless(self) -> bool:
        """Whether trainers do not come as far as to a file."""
        return self._early_deaths >= HOPELESS_DEATHS

    def forget(self) -> None:
        """Another job's turn, or the user asked again: start counting anew."""
        self._job_id, self._best_step, self._deaths, self._own_deaths = None, -1, 0, 0
        self._early_deaths = 0
