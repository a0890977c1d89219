"""Where something that is dragged over the queue would land. Pure reading of rows: no widget, no change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from backend.contract.arguments import MoveArgs
from backend.contract.jobs import Priority


@dataclass(frozen=True)
class Section:
    """A group of the queue: its header's row and the rows of its jobs, `first` up to but not with `end`."""

    group: int
    priority: Priority | None
    """None where nothing can land: what runs and what ended."""
    header: int
    end: int

    @property
    def first(self) -> int:
        """Row of the first job."""
        return self.header + 1


@dataclass(frozen=True)
class Landing:
    """A place in the queue: `before` or `after` a waiting job, neither when the group is empty."""

    priority: Priority
    row: int
    """The first row below the place."""
    before: int | None = None
    after: int | None = None


JobIdAt = Callable[[int], int]


def sections_of(
    headers: Sequence[tuple[int, int]], num_rows: int, priorities: Sequence[Priority | None]
) -> list[Section]:
    """The groups present, from (group, row of its header) in the order of rows; a group indexes `priorities`."""
    ends = [*(row for _, row in headers), num_rows][1:]
    return [Section(group, priorities[group], row, end) for (group, row), end in zip(headers, ends, strict=True)]


def landing_at(
    sections: Sequence[Section], job_id_at: JobIdAt, boundary: int, moving: Collection[int] = ()
) -> Landing | None:
    """The landing nearest to the gap above row `boundary`; None where there is no group to land in."""
    places = [section for section in sections if section.priority is not None]
    if not places:
        return None
    section = next((place for place in reversed(places) if place.header < boundary), places[0])
    assert section.priority is not None
    gap = min(max(boundary, section.first), section.end)
    for row in range(gap, section.end):
        if (job_id := job_id_at(row)) not in moving:
            return Landing(section.priority, gap, before=job_id)
    for row in range(gap - 1, section.header, -1):
        if (job_id := job_id_at(row)) not in moving:
            return Landing(section.priority, gap, after=job_id)
    return Landing(section.priority, gap)


def leaves_order(sections: Sequence[Section], job_id_at: JobIdAt, landing: Landing, moving: Collection[int]) -> bool:
    """True when the dragged jobs already stand there, side by side."""
    section = next(place for place in sections if place.priority == landing.priority)
    first = end = landing.row
    while first > section.first and job_id_at(first - 1) in moving:
        first -= 1
    while end < section.end and job_id_at(end) in moving:
        end += 1
    return end - first == len(moving)


def move_args(job_ids: list[int], landing: Landing) -> MoveArgs | None:
    """The wish for a landing beside another job; None where only the priority says the place."""
    if landing.before is None and landing.after is None:
        return None
    return MoveArgs(job_ids=job_ids, before=landing.before, after=landing.after)
