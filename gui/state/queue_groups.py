"""Groups of the queue and moves between them, on plain lists of job ids: no Qt, no signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from backend.contract.arguments import MoveArgs, PriorityArgs
from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, JobView, Priority


class Group(IntEnum):
    """Groups from top to bottom."""

    RUNNING = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    ENDED = 4


WAITING_GROUPS = (Group.HIGH, Group.NORMAL, Group.LOW)
PRIORITY_OF = {Group.HIGH: Priority.HIGH, Group.NORMAL: Priority.NORMAL, Group.LOW: Priority.LOW}
_GROUP_OF = {priority: group for group, priority in PRIORITY_OF.items()}

Groups = list[list[int]]
"""Job ids by group, in the order shown."""


def group_of(job: JobView) -> Group:
    """Where a job is shown."""
    if job.state in ACTIVE_STATES:
        return Group.RUNNING
    if job.state in TERMINAL_STATES:
        return Group.ENDED
    return _GROUP_OF[job.priority]


def header_row(group: Group) -> int:
    """How a header stands among the rows: job ids are above 0, headers below."""
    return -1 - group


def header_group(row: int) -> Group | None:
    """The group a row is the header of."""
    return Group(-1 - row) if row < 0 else None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where jobs are put: a group, before or after one of its jobs; neither for a group without any."""

    group: Group
    before: int | None = None
    after: int | None = None

    @property
    def priority(self) -> Priority:
        """Of the group, which is one that waits."""
        return PRIORITY_OF[self.group]


@dataclass(frozen=True, kw_only=True)
class Move:
    """Jobs and where they go; they keep their order."""

    job_ids: tuple[int, ...]
    place: Place

    def args(self) -> MoveArgs | PriorityArgs:
        """What the service is asked."""
        job_ids, place = list(self.job_ids), self.place
        if place.before is None and place.after is None:
            return PriorityArgs(job_ids=job_ids, priority=place.priority)
        return MoveArgs(job_ids=job_ids, before=place.before, after=place.after)


def applied(groups: Groups, move: Move) -> Groups:
    """The groups after a move; as they were when its place is gone."""
    moving = set(move.job_ids)
    left = [[job_id for job_id in members if job_id not in moving] for members in groups]
    target, place = left[move.place.group], move.place
    anchor = place.before if place.before is not None else place.after
    if anchor is None:
        at = len(target)
    elif anchor in target:
        at = target.index(anchor) + (place.before is None)
    else:
        return groups
    present = {job_id for group in WAITING_GROUPS for job_id in groups[group]}
    target[at:at] = [job_id for job_id in move.job_ids if job_id in present]
    return left


def place_at(rows: Sequence[int], index: int) -> Place | None:
    """Where something put between rows `index - 1` and `index` lands; None where nothing can be put.

    Right above the first header of a waiting group it becomes that group's first: there is no row of a waiting
    group above it, and the job that runs is not overtaken.
    """
    above = rows[index - 1] if index > 0 else None
    below = rows[index] if index < len(rows) else None
    group = _group_above(rows, index)
    if group is Group.ENDED:
        return None
    if group is None or group is Group.RUNNING:
        lower = header_group(below) if below is not None else None
        if lower is None or lower not in WAITING_GROUPS:
            return None
        first = rows[index + 1] if index + 1 < len(rows) else -1
        return Place(group=lower, before=first if first > 0 else None)
    if below is not None and below > 0:
        return Place(group=group, before=below)
    return Place(group=group, after=above if above is not None and above > 0 else None)


def _group_above(rows: Sequence[int], index: int) -> Group | None:
    for row in reversed(rows[:index]):
        group = header_group(row)
        if group is not None:
            return group
    return None


def as_one(groups: Groups, job_ids: Sequence[int]) -> Move | None:
    """One move that says where these jobs are; None when they do not stand together in one group."""
    wanted = set(job_ids)
    for group in WAITING_GROUPS:
        members = groups[group]
        together = tuple(job_id for job_id in members if job_id in wanted)
        if len(together) == len(wanted) > 0:
            first = members.index(together[0])
            end = first + len(together)
            if tuple(members[first:end]) != together:
                return None
            if end < len(members):
                return Move(job_ids=together, place=Place(group=group, before=members[end]))
            after = members[first - 1] if first > 0 else None
            return Move(job_ids=together, place=Place(group=group, after=after))
    return None


def one_up(groups: Groups, job_ids: Sequence[int]) -> list[Move]:
    """Moves that put jobs one place up; what is first of its group goes to the end of the group above."""
    parts = _by_group(groups, job_ids)
    moves = []
    for group, part in parts:
        at = groups[group].index(part[0])
        if at > 0:
            place = Place(group=group, before=groups[group][at - 1])
        elif len(parts) == 1 and group > Group.HIGH:
            upper = Group(group - 1)
            place = Place(group=upper, after=groups[upper][-1] if groups[upper] else None)
        else:
            continue
        moves.append(Move(job_ids=part, place=place))
    return moves


def one_down(groups: Groups, job_ids: Sequence[int]) -> list[Move]:
    """Moves that put jobs one place down; what is last of its group goes to the start of the group below."""
    parts = _by_group(groups, job_ids)
    moves = []
    for group, part in parts:
        at = groups[group].index(part[-1])
        if at + 1 < len(groups[group]):
            place = Place(group=group, after=groups[group][at + 1])
        elif len(parts) == 1 and group < Group.LOW:
            lower = Group(group + 1)
            place = Place(group=lower, before=groups[lower][0] if groups[lower] else None)
        else:
            continue
        moves.append(Move(job_ids=part, place=place))
    return moves


def _by_group(groups: Groups, job_ids: Sequence[int]) -> list[tuple[Group, tuple[int, ...]]]:
    wanted = set(job_ids)
    parts = [(group, tuple(job_id for job_id in groups[group] if job_id in wanted)) for group in WAITING_GROUPS]
    return [(group, part) for group, part in parts if part]
