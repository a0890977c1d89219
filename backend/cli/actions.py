"""What each command does: nearly all call their verb and print the answer; the few that do more stand here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from backend.cli import log_files, offline, service_process
from backend.cli.printing import print_error, print_json, tell, terminal
from backend.cli.progress import Stages
from backend.cli.session import Session
from backend.cli.words import clean, count, plural
from backend.contract.errors import BadInputError, DatasetError, LockedError, ModelError, ServiceUnavailableError
from backend.contract.jobs import JobState, JobView
from backend.contract.models import SAMPLE
from backend.contract.results import AddResult, BaseResult, Done, LogsResult
from backend.contract.status import StatusView
from backend.contract.verbs import Protection, Verb

_POLL_SECONDS = 0.25
_FOLLOW_SECONDS = 1.0
_PROBLEMS_TOLD = 3
_JOBS_SHOWN = 50
_GOODBYE_SECONDS = 900.0
EXIT_OK, EXIT_FAILED, EXIT_ARGUMENTS, EXIT_PROTECTED, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


def run(session: Session, verb: Verb, arguments: dict[str, Any]) -> int:
    """Carry out a command; returns its exit code. Raises EverstepError with the sentence to print."""
    own = _OWN_ACTIONS.get(verb.name)
    if own is not None:
        return own(session, verb, arguments)
    if verb.protection is Protection.CONFIRM and not arguments.pop("confirm"):
        return _refuse_without_confirm(verb)
    session.show(session.call(verb.name, **arguments))
    return EXIT_OK


def _refuse_without_confirm(verb: Verb) -> int:
    error = LockedError(
        f"`{verb.name.replace('.', ' ')}` would do this: {verb.help}",
        hint="Nothing was done. Ask the person whose model this is; with --confirm it is carried out.",
    )
    print_error(error, as_json=False)
    return EXIT_PROTECTED


class ArgumentError(BadInputError):
    """An argument that the parser let pass and that still makes no sense."""

    code = "arguments"


# ---- add ---------------------------------------------------------------------------------------------------


def _add(session: Session, _verb: Verb, arguments: dict[str, Any]) -> int:
    wait = arguments.pop("wait")
    given = arguments.pop("paths")
    if not all(path.strip() for path in given):
        raise ArgumentError("An empty path names no file.", hint="Nothing was added. Is a shell variable empty?")
    paths = [absolute_path(path) for path in given]
    result: AddResult = session.call("add", paths=paths, **arguments)
    if wait and result.jobs:
        result = msgspec.structs.replace(result, jobs=wait_for_checks(session, [job.job_id for job in result.jobs]))
    if result.jobs or session.as_json:
        session.show(result)
    for note in result.notes:
        tell(clean(note))
    for refused in result.refused:
        tell(_about_file(refused.path, refused.message))
    for job in result.jobs if wait else []:
        _tell_about_check(session, job)
    unusable = wait and any(job.state in _UNUSABLE for job in result.jobs)
    return EXIT_FAILED if result.refused or unusable else EXIT_OK


_UNUSABLE = frozenset({JobState.FAILED, JobState.QUARANTINED, JobState.BLOCKED})


def _about_file(name: str, reason: str) -> str:
    """The reason, with the file's name before it where it does not name it itself."""
    told = clean(reason.removeprefix(f"{DatasetError.title}: "))
    return told if Path(name).name in told else f"{clean(name)}: {told}"


def _tell_about_check(session: Session, job: JobView) -> None:
    """Why a file cannot be used, or which of its rows were set aside."""
    if job.state in _UNUSABLE:
        tell(f"Job {job.job_id} {job.state.value}. {_about_file(job.file_name, job.reason)}")
        return
    name = f"{clean(job.file_name)} (job {job.job_id})"
    report = session.call("dataset.show", job_id=job.job_id).report if job.num_problems else None
    if report is not None and report.num_rejected:
        aside = f"{count(report.num_rejected)} of {plural(report.num_rows, 'row')} set aside"
        tell(f"{name}: {aside}; the rest is trained on.")
    cut_off_first = sorted(report.problems, key=lambda problem: problem.kind != "cut_off") if report else []
    for problem in cut_off_first[:_PROBLEMS_TOLD]:
        tell(f"{name}: line {problem.line}: {clean(problem.message)}")
    if job.num_problems > _PROBLEMS_TOLD:
        tell(f"{name}: {plural(job.num_problems, 'row')} in all; `dataset show {job.job_id}` shows more.")


def wait_for_checks(session: Session, job_ids: list[int], stages: Stages | None = None) -> list[JobView]:
    """The jobs once none of them is being checked any more."""
    if stages is None:
        with Stages() as own:
            return wait_for_checks(session, job_ids, own)
    while True:
        asked_at = time.monotonic()
        jobs = {job.job_id: job for job in session.call("queue.list").jobs}
        mine = [jobs[job_id] for job_id in job_ids if job_id in jobs]
        left = [job for job in mine if job.state is JobState.CHECKING]
        if not left:
            return mine
        stages.show(
            "Checking", (len(mine) - len(left)) / len(mine) if len(mine) > 1 else None, clean(left[0].file_name)
        )
        # A queue of thousands takes a while to list; asking shall stay the smaller part of the work.
        time.sleep(max(_POLL_SECONDS, 2 * (time.monotonic() - asked_at)))


def absolute_path(given: str) -> str:
    """The path as the service, which works in another folder, has to see it."""
    path = Path(given).expanduser().absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:  # a name that is not UTF-8: JSON can carry it only as a URL
        return path.as_uri()
    return str(path)


# ---- the queue ---------------------------------------------------------------------------------------------


def _queue_list(session: Session, _verb: Verb, arguments: dict[str, Any]) -> int:
    """At a terminal the first ones; a pipe and a program get all."""
    if arguments["limit"] is None and not session.as_json and terminal().is_terminal:
        arguments["limit"] = _JOBS_SHOWN
    session.show(session.call("queue.list", **arguments))
    return EXIT_OK


# ---- base and validation -----------------------------------------------------------------------------------


def _base_set(session: Session, _verb: Verb, arguments: dict[str, Any]) -> int:
    result = set_base(session, **arguments)
    session.show(result)
    return EXIT_OK


def set_base(session: Session, source: str, revision: str = "main", stages: Stages | None = None) -> BaseResult:
    """Set the base model and wait until it can be trained. Raises ModelError with the reason when it cannot."""
    if stages is None:
        with Stages() as own:
            return set_base(session, source, revision, own)
    path = Path(source).expanduser()
    # `org/name` is a Hub id unless there is such a folder here; anything that looks like a path is one.
    is_path = (
        (path.exists() and source != SAMPLE) or source.startswith((".", "/", "~")) or source.lower().endswith(".gguf")
    )
    result: BaseResult = session.call("base.set", source=str(path.absolute()) if is_path else source, revision=revision)
    wanted = result.base.base_id if result.base is not None else ""
    while result.base is not None and result.base.base_id == wanted and result.base.state not in ("ready", "failed"):
        stages.show(result.base.state.capitalize(), result.base.progress, result.base.base_id)
        time.sleep(_POLL_SECONDS)
        result = session.call("base.show")
    if result.base is None or result.base.base_id != wanted:  # the service ended meanwhile and knows no more of it
        raise ModelError(f"{clean(source)} was not prepared to its end.", hint="Set it again.")
    if result.base.state == "failed":
        reason = result.base.reason.removeprefix(f"{ModelError.title}: ")
        raise ModelError(clean(reason), hint="The base model set before, if any, stays in force.")
    return result


def _validation_set(session: Session, _verb: Verb, arguments: dict[str, Any]) -> int:
    session.show(session.call("validation.set", path=absolute_path(arguments["path"])))
    return EXIT_OK


# ---- verbs that also work without a service ----------------------------------------------------------------


def _status(session: Session, _verb: Verb, arguments: dict[str, Any]) -> int:
    session.show(_status_now(session))
    if arguments["follow"]:
        while True:
            time.sleep(_FOLLOW_SECONDS)
            session.show(_status_now(session))
    return EXIT_OK


def _status_now(session: Session) -> StatusView:
    view: StatusView = _online(session, lambda: session.call("status"), lambda: _status_from_files(session))
    return view


def _status_from_files(session: Session) -> StatusView:
    """With what will keep the next service from starting."""
    root, view = session.workspace.root, offline.status(session.workspace)
    if root.exists() and not root.is_dir():
        told = f"{root} is a file, not a folder: no workspace can be there. Name a folder with --workspace DIR."
        return msgspec.structs.replace(view, sentence=told)
    try:
        offline.config(session.workspace)
    except BadInputError as problem:
        told = f"No service can start: {problem.message} {problem.hint}"
        return msgspec.structs.replace(view, error=told)
    return view


def _config_show(session: Session, _verb: Verb, _arguments: dict[str, Any]) -> int:
    session.show(_online(session, lambda: session.call("config.show"), lambda: offline.config(session.workspace)))
    return EXIT_OK


def _online(session: Session, ask: Callable[[], Any], read: Callable[[], Any]) -> Any:
    """The service's answer, or what the files say when there is none or it goes away meanwhile."""
    if not session.has_service:
        return read()
    try:
        return ask()
    except ServiceUnavailableError as problem:
        tell(str(problem))
        return read()


def _logs(session: Session, _verb: Verb, arguments: dict[str, Any]) -> int:
    lines, follow = arguments["lines"], arguments["follow"]
    if lines < 0:
        raise ArgumentError(f"--lines cannot be {lines}; it is 0 or more.")
    if not follow:
        result = _online(
            session, lambda: session.call("logs", lines=lines), lambda: log_files.newest_lines(session.workspace, lines)
        )
        session.show(result)
        return EXIT_OK
    for batch in follow_logs(session, lines):
        if session.as_json:
            print_json(batch)
        else:
            for line in batch.lines:
                print(clean(line), flush=True)
    return EXIT_OK


def follow_logs(session: Session, lines: int) -> Iterator[LogsResult]:
    """The newest lines, then new ones as the daily files grow. Reads files: the log outlives every service."""
    tail = log_files.LogTail(session.workspace)
    yield tail.start(lines)
    while True:
        time.sleep(_POLL_SECONDS)
        fresh = tail.fresh_lines()
        if fresh.lines:
            yield fresh


# ---- shutdown ----------------------------------------------------------------------------------------------


def _shutdown(session: Session, _verb: Verb, _arguments: dict[str, Any]) -> int:
    if not session.has_service:
        tell("No service runs for this workspace; there is nothing to end.")
        return EXIT_OK
    done = end_service(session)
    session.show(done)
    return EXIT_OK


def end_service(session: Session) -> Done:
    """End the service and wait until it has: then everything is saved. Raises ServiceUnavailableError."""
    endpoint = service_process.locate(session.workspace)
    done: Done = session.call("shutdown")
    if endpoint is None:
        return done
    with Stages() as stages:
        give_up_at = time.monotonic() + _GOODBYE_SECONDS
        while not service_process.wait_until_gone(endpoint, _FOLLOW_SECONDS):
            stages.show("Saving and ending", None)
            if time.monotonic() > give_up_at:
                raise ServiceUnavailableError(
                    f"The service (process {endpoint.pid}) was told to end and still lives.",
                    hint="`logs` shows what it waits for.",
                )
    return done


_OWN_ACTIONS: dict[str, Callable[[Session, Verb, dict[str, Any]], int]] = {
    "add": _add,
    "queue.list": _queue_list,
    "base.set": _base_set,
    "validation.set": _validation_set,
    "status": _status,
    "logs": _logs,
    "config.show": _config_show,
    "shutdown": _shutdown,
}
