"""Undo and redo: a bounded stack of row images in the database, so that it survives a kill.

An entry holds the columns a verb changed, as they were before and after. It is applied only while those columns
are still what the verb made of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from backend.contract.errors import ConflictError
from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES
from backend.store.database import Transaction

MAX_ENTRIES = 100
_COLUMNS = [
    "priority",
    "rank",
    "state",
    "reason",
    "removed_at",
    "is_interrupted",
    "is_held_after_check",
    "settings",
    "tokens_folder",
    "cursor",
    "done_steps",
    "token_budget",
    "restarts",
    "first_global_step",
    "last_global_step",
    "last_loss",
    "started_at",
    "finished_at",
]
_ADDING = "adding of"
_DECISIVE = ("priority", "state", "removed_at", "is_held_after_check")
"""When one of these is not what the verb left, the world moved on."""

Image = dict[str, Any]
_IMAGES = msgspec.json.Decoder(list[Image])


@contextmanager
def undoable(tx: Transaction, verb: str, job_ids: Sequence[int]) -> Iterator[None]:
    """Remember what the block changes in these jobs; what was undone before can no longer be redone."""
    before = _images(tx, job_ids)
    yield
    after = _images(tx, job_ids)
    pairs = [_difference(before[job_id], after[job_id]) for job_id in job_ids]
    pairs = [pair for pair in pairs if len(pair[0]) > 1]
    if not pairs:
        return
    _remember(tx, verb, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


def note_added(tx: Transaction, job_ids: Sequence[int]) -> None:
    """Remember that these jobs are new: taken back, they are out of the queue as if removed."""
    if not job_ids:
        return
    before = [{"job_id": job_id, "removed_at": tx.now} for job_id in job_ids]
    _remember(tx, _ADDING, before, [{"job_id": job_id, "removed_at": None} for job_id in job_ids])


def _remember(tx: Transaction, verb: str, before: list[Image], after: list[Image]) -> None:
    for (undo_id,) in tx.execute("SELECT undo_id FROM undo WHERE is_undone = 1"):
        tx.delete("undo", undo_id)
    images = [msgspec.json.encode(side).decode() for side in (before, after)]
    tx.put("undo", {"title": _title(verb, before), "before": images[0], "after": images[1], "is_undone": 0})
    for (undo_id,) in tx.execute("SELECT undo_id FROM undo ORDER BY undo_id DESC LIMIT -1 OFFSET ?", (MAX_ENTRIES,)):
        tx.delete("undo", undo_id)


def titles(tx: Transaction) -> tuple[str, str]:
    """What undo and redo would do, in words; '' for nothing."""
    undo, redo = _newest_done(tx), _oldest_undone(tx)
    return (undo[1] if undo else "", redo[1] if redo else "")


def undo(tx: Transaction) -> tuple[str, list[Image]]:
    """Take the newest entry back; its title and the images written. Raises ConflictError."""
    entry = _newest_done(tx)
    if entry is None:
        raise ConflictError("There is nothing to undo.", code="nothing_to_undo")
    undo_id, title, before, after = entry
    if title.startswith(_ADDING):
        title, before, after = _not_begun(tx, undo_id, before, after)
    _write(tx, title, wanted=before, expected=after)
    tx.put("undo", {"undo_id": undo_id, "is_undone": 1})
    return title, before


def _not_begun(
    tx: Transaction, undo_id: int, before: list[Image], after: list[Image]
) -> tuple[str, list[Image], list[Image]]:
    """What of an adding can be taken back: what was trained stays. Raises ConflictError when nothing can."""
    present = _images(tx, [image["job_id"] for image in after])
    left = {job_id for job_id, image in present.items() if not _has_begun(image)}
    if not left:
        raise ConflictError(
            f"This cannot be taken back ({_title(_ADDING, after)}): its training has begun.",
            hint="`skip` leaves the file that is being trained.",
            code="job_active",
        )
    _keep(tx, undo_id, before, after, left)
    sides = [[image for image in side if image["job_id"] in left] for side in (before, after)]
    return _title(_ADDING, sides[0]), sides[0], sides[1]


def _keep(tx: Transaction, undo_id: int, before: list[Image], after: list[Image], job_ids: Collection[int]) -> None:
    """Only so many jobs of an entry count any more."""
    sides = [[image for image in side if image["job_id"] in job_ids] for side in (before, after)]
    if len(sides[0]) == len(before):
        return
    if not sides[0]:
        tx.delete("undo", undo_id)
        return
    texts = [msgspec.json.encode(side).decode() for side in sides]
    entry = {"title": _title(_ADDING, sides[0]), "before": texts[0], "after": texts[1]}
    tx.put("undo", {"undo_id": undo_id, **entry})


def _title(verb: str, images: Sequence[Image]) -> str:
    return f"{verb} " + (f"job {images[0]['job_id']}" if len(images) == 1 else f"{len(images):,} jobs")


def _has_begun(present: Image) -> bool:
    return present["started_at"] is not None or present["state"] in ACTIVE_STATES


def redo(tx: Transaction) -> tuple[str, list[Image]]:
    """Do the entry undone last again; its title and the images written. Raises ConflictError."""
    entry = _oldest_undone(tx)
    if entry is None:
        raise ConflictError("There is nothing to redo.", code="nothing_to_redo")
    undo_id, title, before, after = entry
    _write(tx, title, wanted=after, expected=before)
    tx.put("undo", {"undo_id": undo_id, "is_undone": 0})
    return title, after


def forget_stale(tx: Transaction, job_id: int) -> None:
    """Drop entries that can never be applied because this job is no longer what they expect."""
    present = _images(tx, [job_id])[job_id]
    rows = tx.execute("SELECT undo_id, title, before, after, is_undone FROM undo")
    for undo_id, title, before, after, is_undone in rows:
        if title.startswith(_ADDING) and not is_undone:
            if _has_begun(present) and f'"job_id":{job_id},' in after:
                sides = _IMAGES.decode(before), _IMAGES.decode(after)
                others = {image["job_id"] for image in sides[0]} - {job_id}
                _keep(tx, undo_id, *sides, others)
            continue
        expected = before if is_undone else after
        if any(image["job_id"] == job_id and _moved_on(present, image) for image in _IMAGES.decode(expected)):
            tx.delete("undo", undo_id)


def ranks(tx: Transaction, priority: int) -> set[tuple[int, int]]:
    """(rank, job_id) of every rank that undo or redo could restore in a priority."""
    found = set()
    for before, after in tx.execute("SELECT before, after FROM undo"):
        for image in [*_IMAGES.decode(before), *_IMAGES.decode(after)]:
            if image.get("priority") == priority:
                found.add((image["rank"], image["job_id"]))
    return found


def change_ranks(tx: Transaction, priority: int, new_ranks: Mapping[tuple[int, int], int]) -> None:
    """Follow a renumbering of ranks."""
    for undo_id, *texts in tx.execute("SELECT undo_id, before, after FROM undo"):
        sides = [_IMAGES.decode(text) for text in texts]
        for image in [*sides[0], *sides[1]]:
            if image.get("priority") == priority:
                image["rank"] = new_ranks.get((image["rank"], image["job_id"]), image["rank"])
        changed = [msgspec.json.encode(side).decode() for side in sides]
        if changed != texts:
            tx.put("undo", {"undo_id": undo_id, "before": changed[0], "after": changed[1]})


def _images(tx: Transaction, job_ids: Sequence[int]) -> dict[int, Image]:
    rows = tx.execute(
        f"SELECT job_id, {', '.join(_COLUMNS)} FROM jobs WHERE job_id IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(list(job_ids)).decode(),),
    )
    return {row[0]: dict(zip(["job_id", *_COLUMNS], row, strict=True)) for row in rows}


def _difference(before: Image, after: Image) -> tuple[Image, Image]:
    names = {name for name in _COLUMNS if before[name] != after[name]}
    if names & {"priority", "rank"}:  # a rank means something within its priority only
        names |= {"priority", "rank"}
    kept = ["job_id", *(name for name in _COLUMNS if name in names)]
    return {name: before[name] for name in kept}, {name: after[name] for name in kept}


def _write(tx: Transaction, title: str, *, wanted: list[Image], expected: list[Image]) -> None:
    present = _images(tx, [image["job_id"] for image in expected])
    for image in expected:
        job_id = image["job_id"]
        if present[job_id]["state"] in ACTIVE_STATES:
            raise ConflictError(
                f"This cannot be taken back now ({title}): job {job_id} is being trained.",
                hint="Skip or stop it first.",
                code="job_active",
            )
        if _moved_on(present[job_id], image):
            raise ConflictError(
                f"This cannot be taken back any more ({title}): job {job_id} has changed since.", code="moved_on"
            )
    for image in wanted:
        tx.put("jobs", image)


def _moved_on(present: Image, image: Image) -> bool:
    if "rank" in image and "state" not in image and present["state"] in TERMINAL_STATES:
        return True  # a place means nothing any more
    return any(name in image and present[name] != image[name] for name in _DECISIVE)


def _newest_done(tx: Transaction) -> tuple[int, str, list[Image], list[Image]] | None:
    return _entry(tx, "WHERE is_undone = 0 ORDER BY undo_id DESC")


def _oldest_undone(tx: Transaction) -> tuple[int, str, list[Image], list[Image]] | None:
    return _entry(tx, "WHERE is_undone = 1 ORDER BY undo_id")


def _entry(tx: Transaction, which: str) -> tuple[int, str, list[Image], list[Image]] | None:
    row = tx.one(f"SELECT undo_id, title, before, after FROM undo {which} LIMIT 1")
    return (row[0], row[1], _IMAGES.decode(row[2]), _IMAGES.decode(row[3])) if row else None
