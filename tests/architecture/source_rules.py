"""The house rules as functions over syntax trees: each yields the places that break it. Reads source, runs none."""

from __future__ import annotations

import ast
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef

OS_WRITERS = frozenset(
    {"rename", "renames", "replace", "unlink", "remove", "rmdir", "removedirs", "truncate", "link"}
)
SHUTIL_WRITERS = frozenset({"rmtree", "move", "copy", "copy2", "copyfile", "copytree", "copyfileobj"})
PATH_WRITERS = frozenset({"rename", "unlink", "rmdir", "write_text", "write_bytes", "touch"})
WRITING_FLAGS = frozenset({"O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"})
FORBIDDEN_CALLS = frozenset({"eval", "exec", "torch.load", "os.system", "os.popen", "pickle.load", "pickle.loads"})
FORBIDDEN_MODULES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"})
FORBIDDEN_ARGUMENTS = frozenset({"shell", "trust_remote_code"})


@dataclass(frozen=True)
class Source:
    """One Python file of the product."""

    name: str
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, text: str, name: str = "backend/planted.py") -> Source:
        return cls(name, text, ast.parse(text, name))


def product_sources() -> list[Source]:
    """Every Python file that ships: main.py, packaging/, backend/, gui/."""
    paths = [ROOT / "main.py"]
    for room in ("packaging", "backend", "gui"):
        paths += sorted((ROOT / room).rglob("*.py"))
    return [Source.of(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()) for path in paths]


def own_files() -> list[Path]:
    """The files that are, or would be, in the repository; without git, all but what tools leave behind."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        left_by_tools = re.compile(r"/(\.git|\.venv|__pycache__|\.\w+_cache|\.hypothesis)(/|$)")
        paths = [path for path in ROOT.rglob("*") if not left_by_tools.search(path.as_posix())]
    return [path for path in paths if path.is_file()]


def durable_writes(source: Source) -> Iterator[str]:
    """Calls that create, change, rename or remove a file."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil"):
            writers = OS_WRITERS if node.module == "os" else SHUTIL_WRITERS
            yield from (_at(source, node, alias.name) for alias in node.names if alias.name in writers)
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            module, _, attribute = name.rpartition(".")
            is_writer = (
                (module == "os" and attribute in OS_WRITERS)
                or (module == "shutil" and attribute in SHUTIL_WRITERS)
                or (module not in ("os", "shutil") and module and attribute in PATH_WRITERS)
                # str.replace takes two values, dataclasses.replace names; Path.replace takes one
                or (module != "os" and attribute == "replace" and len(node.args) == 1 and not node.keywords)
                or _opens_for_writing(node, attribute)
            )
            if is_writer:
                yield _at(source, node, attribute)


def _opens_for_writing(call: ast.Call, attribute: str) -> bool:
    if attribute not in ("open", "fdopen"):
        return False
    if any(isinstance(n, ast.Attribute) and n.attr in WRITING_FLAGS for a in call.args for n in ast.walk(a)):
        return True
    values = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    modes = [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)]
    return any(len(mode) <= 3 and set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)


def dangerous_calls(source: Source) -> Iterator[str]:
    """Code execution and unpickling, in any spelling that Python has for them."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (_at(source, node, a.name) for a in node.names if a.name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom):
            root = (node.module or "").split(".")[0]
            if root in FORBIDDEN_MODULES or (root == "torch" and any(a.name == "load" for a in node.names)):
                yield _at(source, node, str(node.module))
        elif isinstance(node, ast.Call):
            if dotted(node.func) in FORBIDDEN_CALLS:
                yield _at(source, node, dotted(node.func))
            for word in node.keywords:
                is_off = isinstance(word.value, ast.Constant) and word.value.value is False
                if word.arg in FORBIDDEN_ARGUMENTS and not is_off:
                    yield _at(source, node, str(word.arg))


def function_local_imports(source: Source) -> Iterator[tuple[str, str]]:
    """(place, imported module) of every import below module level."""
    seen: set[ast.AST] = set()
    for function in functions(source):
        for node in ast.walk(function):
            if node in seen or not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            seen.add(node)
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            for name in names:
                yield _at(source, node, name), name


def prints(source: Source) -> Iterator[str]:
    """Calls of the built-in print."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            yield _at(source, node, "print")


def functions(source: Source) -> Iterator[Function]:
    return (node for node in ast.walk(source.tree) if isinstance(node, Function))


def num_lines(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameter_faults(function: Function) -> Iterator[str]:
    """More than six parameters (self not counted)."""
    arguments = function.args
    given = [a.arg for a in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
    num_given = len([name for name in given if name not in ("self", "cls")])
    if num_given > 6:
        yield f"{function.name} has {num_given} parameters"


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text; what stands before a call or an index is shown as `()`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "()"


def _at(source: Source, node: ast.stmt | ast.expr, what: str) -> str:
    return f"{source.name}:{node.lineno} {what}"


def outside(places: Iterable[str], allowed: dict[str, str]) -> list[str]:
    """The places whose file (`path`) or file and act (`path act`) has no written reason."""
    left = []
    for place in places:
        location, act = place.split(" ", 1)
        path = location.rsplit(":", 1)[0]
        if not any(path == key or path.startswith(key.rstrip("/") + "/") or f"{path} {act}" == key for key in allowed):
            left.append(place)
    return left
