"""The prompt's only edge: words in, exit code out; every error becomes one sentence on standard error.

0 done, 1 what was asked failed, 2 bad arguments, 3 protected, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from cyclopts import CycloptsError, UnknownCommandError

from backend.cli.actions import EXIT_ARGUMENTS, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, ArgumentError
from backend.cli.commands import build
from backend.cli.printing import print_error, terminal
from backend.contract.errors import BadInputError, EverstepError, InternalError, StorageError


def main(argv: list[str]) -> int:
    """Carry out one command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign shows `?`
    as_json = "--json" in argv
    try:
        with _told_to_end_as_interrupted():
            return _run(argv)
    except CycloptsError as problem:
        print_error(_about_arguments(problem), as_json=as_json)
        return EXIT_ARGUMENTS
    except ArgumentError as problem:
        print_error(problem, as_json=as_json)
        return EXIT_ARGUMENTS
    except EverstepError as problem:
        print_error(problem, as_json=as_json)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone (`metrics | head`). Keep the interpreter from complaining at its end.
        os.dup2(os.pipe()[1], sys.stdout.fileno())
        return EXIT_OK
    except UnicodeEncodeError:
        told_name = BadInputError("A name that is not UTF-8 cannot be given here.", hint="Rename it, then try again.")
        print_error(told_name, as_json=as_json)
        return EXIT_FAILED
    except OSError as problem:
        named = f" {problem.filename}" if problem.filename else ""
        print_error(StorageError(f"The system refused:{named} {problem.strerror or problem}."), as_json=as_json)
        return EXIT_FAILED
    except Exception as problem:  # the process edge
        if os.environ.get("EVERSTEP_DEBUG"):
            raise
        told = InternalError(
            f"{type(problem).__name__}: {problem}.",
            hint="This is a fault of the program, not of yours. With EVERSTEP_DEBUG=1 it shows where.",
        )
        print_error(told, as_json=as_json)
        return EXIT_FAILED


@contextmanager
def _told_to_end_as_interrupted() -> Iterator[None]:
    """SIGTERM tidies up as Ctrl-C does: the demo ends the service that it started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(argv: list[str]) -> int:
    answered = build()(argv, console=terminal(pipe_width=100), error_console=terminal(to_stderr=True))
    return answered if isinstance(answered, int) else EXIT_OK  # help answers None


def _about_arguments(problem: CycloptsError) -> BadInputError:
    known = " ".join(problem.command_chain or ()) if not isinstance(problem, UnknownCommandError) else ""
    hint = f"`{f'{known} --help'.strip()}` shows what there is."
    return BadInputError(str(problem).strip(), hint=hint, code="arguments")
