"""The house rules on the whole product, and beside each rule a planted fault that it must find."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.architecture import source_rules as rules
from tests.architecture.source_rules import Source

FILE_LINES, HARD_FILE_LINES = 400, 600
FUNCTION_LINES, TRAINER_FUNCTION_LINES = 50, 80

# Every exception names its reason. A key is a file, a folder, or "file act".
MAY_WRITE = {
    "backend/store/durable.py": "the one room that renames, unlinks and writes durably",
    "backend/formats/progress.py open": "shared memory, not a record: it is worth nothing after the process",
    "backend/supervisor/launcher.py open": "the trainer's stderr, which the trainer itself fills",
    "backend/trainer/__main__.py open": "the lock the trainer holds for its life; nothing is written into it",
    "backend/formats/token_store.py open": "fills the staging folder that durable.commit_folder gave it",
}
MAY_PRINT = {
    "main.py": "help and version",
    "packaging": "speaks to a person before anything is installed",
    "backend/cli": "the prompt",
}
MAY_IMPORT_LATE = {
    "main.py backend.guardian.guardian": "a role is imported only when it was asked for",
    "main.py backend.cli.main": "a role is imported only when it was asked for",
    "main.py gui.app": "a role is imported only when it was asked for",
    "gui/app.py gui.rooms": "the page and its chart library load behind the first frame",
}
MANY_PARAMETERS = {
    "backend/trainer/attention.py document_attention": "called by transformers with these names",
    "gui/dialogs/confirm.py __init__": "the three sentences of a consent, its button and its parent, all named",
}
# A ratchet: files over 400 lines and functions over their budget, with the size they may not exceed.
LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {
    "gui/actions/registry.py:_declared": 59,  # one verb after the other
}


@cache
def product() -> list[Source]:
    return rules.product_sources()


def backend() -> list[Source]:
    return [source for source in product() if source.name.startswith("backend/")]


def test_durable_writes_stay_in_durable() -> None:
    places = [place for source in backend() for place in rules.durable_writes(source)]
    assert rules.outside(places, MAY_WRITE) == []


@pytest.mark.parametrize(
    "line",
    [
        "os.rename(a, b)",
        "os.replace(a, b)",
        "os.unlink(a)",
        "os.remove(a)",
        "shutil.rmtree(a)",
        "shutil.copyfile(a, b)",
        "path.unlink()",
        "path.unlink(missing_ok=True)",
        "path.rename(b)",
        "path.replace(b)",
        "(folder / name).replace(b)",
        "path.write_text('x')",
        "path.write_bytes(b'x')",
        "open(path, 'w')",
        "open(path, mode='ab')",
        "path.open('r+b')",
        "os.open(path, os.O_RDWR | os.O_CREAT)",
        "os.fdopen(fd, 'wb')",
        "from os import replace",
        "from shutil import rmtree",
    ],
)
def test_durable_writes_are_found_when_planted(line: str) -> None:
    assert list(rules.durable_writes(Source.of(line)))


@pytest.mark.parametrize(
    "line",
    [
        "text.replace('a', 'b')",
        "dataclasses.replace(job, state=1)",
        "open(path)",
        "open(path, 'rb')",
        "path.open(encoding='utf-8')",
        "os.open(folder, os.O_RDONLY)",
        "names.remove('a')",
        "text.replace('w', 'rw', 1)",
    ],
)
def test_durable_writes_leave_reading_alone(line: str) -> None:
    assert list(rules.durable_writes(Source.of(line))) == []


def test_product_executes_no_data() -> None:
    assert [place for source in product() for place in rules.dangerous_calls(source)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load(path)",
        "from torch import load",
        "eval('1')",
        "exec('1')",
        "subprocess.run('ls', shell=True)",
        "load(path, trust_remote_code=True)",
        "load(path, trust_remote_code=asked)",
        "os.system('ls')",
    ],
)
def test_dangerous_calls_are_found_when_planted(line: str) -> None:
    assert list(rules.dangerous_calls(Source.of(line)))


def test_dangerous_calls_accept_a_plain_no() -> None:
    assert list(rules.dangerous_calls(Source.of("load(path, trust_remote_code=False)\nmodel.eval()"))) == []


def test_imports_stand_at_the_top() -> None:
    places = [
        f"{place.split(' ')[0]} {name}" for source in product() for place, name in rules.function_local_imports(source)
    ]
    assert rules.outside(places, MAY_IMPORT_LATE) == []


def test_function_local_imports_are_found_when_planted() -> None:
    nested = "class A:\n    def b(self):\n        if self.c:\n            from x.y import z\n"
    assert [name for _, name in rules.function_local_imports(Source.of(nested))] == ["x.y"]


def test_reasons_for_late_imports_are_used() -> None:
    used = {
        f"{place.split(':')[0]} {name}" for source in product() for place, name in rules.function_local_imports(source)
    }
    assert [key for key in MAY_IMPORT_LATE if key not in used] == []


QT_ROOMS = {
    "PySide6.QtWidgets": (
        "gui/app.py",
        "gui/rooms.py",
        "gui/shell/",
        "gui/pages/",
        "gui/dialogs/",
        "gui/widgets/",
        "gui/theme/",
    ),
    "PySide6.QtGui": (
        "gui/app.py",
        "gui/rooms.py",
        "gui/shell/",
        "gui/pages/",
        "gui/dialogs/",
        "gui/widgets/",
        "gui/theme/",
    ),
    "PySide6.QtNetwork": ("gui/client/", "gui/shell/single_instance.py"),
}
"""Which rooms may use a module of Qt that is not for everybody."""


def qt_out_of_place(source: Source) -> list[str]:
    """Imports of a Qt module in a room that has no business with it."""
    found = []
    for node in ast.walk(source.tree):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found += [f"{source.name} {name}" for name in names if name and not _may_use(source.name, name)]
    return found


def _may_use(file_name: str, module: str) -> bool:
    return module not in QT_ROOMS or file_name.startswith(QT_ROOMS[module])


def test_qt_modules_stay_in_their_rooms() -> None:
    assert [place for source in product() for place in qt_out_of_place(source)] == []


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("gui/state/planted.py", "from PySide6.QtWidgets import QWidget"),
        ("gui/client/planted.py", "import PySide6.QtWidgets"),
        ("gui/actions/planted.py", "from PySide6.QtGui import QIcon"),
        ("gui/pages/train/planted.py", "from PySide6.QtNetwork import QNetworkAccessManager"),
    ],
)
def test_qt_out_of_place_is_found_when_planted(room: str, line: str) -> None:
    assert qt_out_of_place(Source.of(line, room))


WAITING = frozenset({"exec", "processEvents", "waitForConnected", "waitForReadyRead", "waitForFinished", "sleep"})
"""What holds up or turns round inside the event loop. `QApplication.exec` once, in app.py, is the loop itself."""
MAY_WAIT = {
    "gui/app.py": "the event loop itself, and the screenshots that paint as they go",
    "gui/client/decoding.py": "its own thread, which gives way to the window between two slices",
    "gui/shell/single_instance.py": "before there is a window, a second start waits for the first",
}


def waits(source: Source) -> list[str]:
    """Calls after which the window would stand still, or run inside itself."""
    calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]
    named = [(node, node.func.attr) for node in calls if isinstance(node.func, ast.Attribute)]
    return [f"{source.name}:{node.lineno} {name}" for node, name in named if name in WAITING]


def test_window_never_waits() -> None:
    places = [place for source in product() if source.name.startswith("gui/") for place in waits(source)]
    assert rules.outside(places, MAY_WAIT) == []


@pytest.mark.parametrize("line", ["dialog.exec()", "app.processEvents()", "time.sleep(1)", "process.waitForFinished()"])
def test_waits_are_found_when_planted(line: str) -> None:
    assert waits(Source.of(line, "gui/pages/planted.py"))


def test_prints_stay_at_the_prompt() -> None:
    assert rules.outside([place for source in product() for place in rules.prints(source)], MAY_PRINT) == []


def test_prints_are_found_when_planted() -> None:
    assert list(rules.prints(Source.of("def a():\n    print(1)\n")))


def test_reasons_are_used() -> None:
    """An exception that nothing needs any more must go."""
    used = [place for source in backend() for place in rules.durable_writes(source)]
    idle = [key for key in MAY_WRITE if len(rules.outside(used, {key: ""})) == len(used)]
    assert idle == []


def test_files_say_what_they_are() -> None:
    silent = [source.name for source in product() if source.tree.body and not ast.get_docstring(source.tree)]
    assert silent == []


def test_files_keep_their_length_budget() -> None:
    sizes = {source.name: source.text.count("\n") for source in product()}
    long = {name: size for name, size in sizes.items() if size > FILE_LINES}
    assert {name: size for name, size in long.items() if size > LONG_FILES.get(name, FILE_LINES)} == {}
    assert [name for name, size in long.items() if size > HARD_FILE_LINES] == []
    assert [name for name in LONG_FILES if name not in long] == [], "within budget again: take it off the list"


def test_functions_keep_their_length_budget() -> None:
    long = {}
    for source in product():
        budget = TRAINER_FUNCTION_LINES if source.name.startswith("backend/trainer/") else FUNCTION_LINES
        for function in rules.functions(source):
            if rules.num_lines(function) > budget:
                long[f"{source.name}:{function.name}"] = rules.num_lines(function)
    assert {name: size for name, size in long.items() if size > LONG_FUNCTIONS.get(name, 0)} == {}
    assert [name for name in LONG_FUNCTIONS if name not in long] == [], "within budget again: take it off the list"


def test_functions_take_few_parameters() -> None:
    faults = [
        f"{source.name}:{function.lineno} {fault}"
        for source in product()
        for function in rules.functions(source)
        for fault in rules.parameter_faults(function)
        if f"{source.name} {function.name}" not in MANY_PARAMETERS
    ]
    assert faults == []


def test_parameter_faults_are_found_when_planted() -> None:
    crowded = Source.of("def f(a, b, *, c, d, e, g, h):\n    pass\n")
    assert [fault for function in rules.functions(crowded) for fault in rules.parameter_faults(function)]


def test_names_say_more_than_utils_and_manager() -> None:
    assert [s.name for s in product() if s.name.endswith(("/utils.py", "/common.py", "/helpers.py"))] == []
    classes = [(s.name, n.name) for s in product() for n in ast.walk(s.tree) if isinstance(n, ast.ClassDef)]
    assert [place for place in classes if place[1].endswith(("Manager", "Helper"))] == []
