"""Makes the project's `.venv`. A script that main.py runs, never a module: nobody imports this folder.

Standard library only, because it runs before anything is installed. It touches the `.venv` beside main.py
and, where it is root on Debian or Ubuntu and `python3-venv` is missing, installs that one system package.

The marker `.venv/.everstep-ready` (`-dev` for the test tools) is written last. An environment without one is
cleared and made again, so a start that was killed leaves nothing that anybody would use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10 or older: main() finds another or says so before anything is read
    tomllib = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ((3, 11), (3, 12), (3, 13))  # the first is the one the constraints were tested with
NEEDED_BYTES = 2_000_000_000
NO_HALF = "Nothing half-made will be used. When that is mended, start the same command again."

# What pip says to itself. A person who sets up Everstep learns nothing from these.
NOISE = re.compile(
    r"WARNING: Location .* is ignored|Looking in (links|indexes)|\[notice\]|Requirement already satisfied"
    r"|WARNING: Running pip as the 'root' user"
)
FETCHED = re.compile(r"\s*(?:Downloading|Using cached|Processing) (?:.*/)?(\S+)\.whl(?!\S)( \([\d.]+ \wB\))?")
FREE_SPACE = f"Free about 2 GB on the disk of {ROOT}, and some in the folder for temporary files."
CPU_BUILD = "  (works without a GPU too; PIP_EXTRA_INDEX_URL with PyTorch's CPU index would fetch a smaller one)"
OWN_FOLDER = "Put the project into a folder of your own."
NETWORK = (
    r"(?i)name resolution|NewConnectionError|NameResolutionError|ConnectTimeout|Network is unreachable|ReadTimeout"
    r"|ProxyError|SSLError|Connection (broken|refused|reset)|Max retries exceeded"
)
KNOWN_FAILURES = (  # the first that pip's last lines show: pattern, what happened, what to do
    (r"No space left on device", "The disk is full.", FREE_SPACE),
    (r"Read-only file system|Permission denied", "A folder could not be written.", OWN_FOLDER),
    (
        NETWORK,
        "The packages could not be fetched: no connection to the package index.",
        "Check the network (and HTTPS_PROXY, if you are behind a proxy).",
    ),
    (
        "No matching distribution found|ResolutionImpossible",
        "pip found no fitting build of a package.",
        "Check the network and pip's own settings (PIP_NO_INDEX, PIP_INDEX_URL, pip.conf).",
    ),
)


class SetupError(Exception):
    """Set-up cannot go on: what happened, and what the person can do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Narrator:
    """Tells a person how far it is: one line per stage, and a moving last line where there is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._started = time.monotonic()
        self._num_ticks = 0

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._stream.write(f"{self._clear()}[{self._seconds():6.1f} s] {text}\n")
        self._stream.flush()

    def tick(self, text: str) -> None:
        """Show that it still works; only where the line can be taken back."""
        if self._is_terminal:
            self._num_ticks += 1
            width = shutil.get_terminal_size().columns - 1
            shown = f"[{self._seconds():6.1f} s] {'|/-.'[self._num_ticks % 4]} {text}"
            self._stream.write(self._clear() + shown[:width])
            self._stream.flush()

    def failure(self, error: SetupError) -> None:
        """Print why it stops, what to do, and that nothing broken stays behind."""
        lines = ("", "Everstep could not set itself up.", error.message, error.hint, NO_HALF)
        self._stream.write(self._clear() + "\n".join(lines) + "\n")
        self._stream.flush()

    def _clear(self) -> str:
        return "\r\x1b[K" if self._is_terminal else ""

    def _seconds(self) -> float:
        return time.monotonic() - self._started


class Environment:
    """The `.venv` of one project folder, and whether it holds what the project file asks for today."""

    def __init__(self, root: Path, *, dev: bool) -> None:
        self.root = root
        self.dev = dev
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.constraints = root / "packaging" / "constraints.txt"
        with open(root / "pyproject.toml", "rb") as file:
            project = tomllib.load(file)["project"]
        self._runtime: list[str] = project["dependencies"]
        self._dev: list[str] = project["optional-dependencies"]["dev"]

    @property
    def requirements(self) -> list[str]:
        """What pip is asked for: the run-time list, and the test tools where they are wanted."""
        return self._runtime + (self._dev if self.dev else [])

    def is_ready(self) -> bool:
        """True when the marker that is asked for says exactly what would be installed now."""
        return self._marker(dev=self.dev) == self._claim(dev=self.dev)

    def is_sound(self) -> bool:
        """True when some marker exists and the interpreter is still the one that was installed into."""
        told = self._marker(dev=False)
        return told is not None and told.get("interpreter") == self._interpreter()

    def forget(self) -> None:
        """Remove the markers: from here on nobody trusts the folder until `remember`."""
        for dev in (False, True):
            self._path(dev=dev).unlink(missing_ok=True)
        _sync_folder(self.folder)

    def remember(self) -> None:
        """Write the markers, each in one piece, after everything else has reached the disk."""
        os.sync()
        for dev in (False, True) if self.dev else (False,):
            target = self._path(dev=dev)
            temporary = target.with_name(target.name + ".tmp")
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(self._claim(dev=dev), file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        _sync_folder(self.folder)

    def _claim(self, *, dev: bool) -> dict[str, str | None]:
        asked = [self._runtime, self._dev if dev else []]
        digest = hashlib.sha256(self.constraints.read_bytes() + json.dumps(asked).encode())
        return {"requirements": digest.hexdigest(), "interpreter": self._interpreter()}

    def _marker(self, *, dev: bool) -> dict[str, str | None] | None:
        try:
            told = json.loads(self._path(dev=dev).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def _path(self, *, dev: bool) -> Path:
        return self.folder / (".everstep-ready-dev" if dev else ".everstep-ready")

    def _interpreter(self) -> str | None:
        # The link's end changes when the system moves to another Python; libraries then no longer fit.
        try:
            cfg = (self.folder / "pyvenv.cfg").read_text(encoding="utf-8")
        except OSError:
            return None
        version = re.search(r"^version = (\d+\.\d+)", cfg, re.MULTILINE)
        if not self.python.exists() or version is None:
            return None
        return f"{version.group(1)} {self.python.resolve()}"


def main(argv: list[str]) -> int:
    """0: the environment is good. 1: it is not, and the reason was printed. 130: interrupted."""
    narrator = Narrator(sys.stderr)
    dev = "--dev" in argv
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that pip is ended with us
    try:
        if sys.version_info[:2] in SUPPORTED and Environment(ROOT, dev=dev).is_ready():
            return 0
        _hand_over(argv)
        environment = Environment(ROOT, dev=dev)
        with _only_one(environment.root, narrator):
            if not environment.is_ready():  # the start we waited for may have done it
                _make(environment, narrator)
    except (SetupError, OSError) as error:
        narrator.failure(_explain_os_error(error) if isinstance(error, OSError) else error)
        return 1
    except KeyboardInterrupt:
        narrator.line("Interrupted. Nothing half-made will be used; the next start begins anew.")
        return 130
    return 0


def _hand_over(argv: list[str]) -> None:
    """Continue under a Python that can own the environment: supported, and not living inside it."""
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    if sys.version_info[:2] in SUPPORTED and sys.prefix == sys.base_prefix:
        return
    names = [base] if sys.version_info[:2] in SUPPORTED else []
    names += [shutil.which("python{}.{}".format(*version)) or "" for version in SUPPORTED]
    for name in filter(None, names):
        # A name on the PATH may be a shim that starts nothing.
        tried = subprocess.run([name, "-I", "-c", "import tomllib, venv"], capture_output=True, check=False)
        if tried.returncode == 0:
            os.execv(name, [name, "-I", str(Path(__file__).resolve()), *argv])
    running = ".".join(map(str, sys.version_info[:3]))
    known = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED)
    raise SetupError(
        f"This is Python {running}; Everstep runs on Python {known}, and none of these is on the PATH.",
        "Install one of them (Debian, Ubuntu: sudo apt install python3.11 python3.11-venv) and start again.",
    )


@contextlib.contextmanager
def _only_one(root: Path, narrator: Narrator) -> Iterator[None]:
    """Hold the project folder's lock. pip inherits it, so it outlives a killed start until pip has ended."""
    lock = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            narrator.line("Another start is setting up .venv. Waiting for it to finish.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock, True)
        yield
    finally:
        os.close(lock)


def _make(environment: Environment, narrator: Narrator) -> None:
    free_bytes = shutil.disk_usage(environment.root).free
    if free_bytes < NEEDED_BYTES and not environment.is_sound():
        raise SetupError(f"The disk has {free_bytes / 1e9:.1f} GB free; set-up needs about 2 GB.", FREE_SPACE)
    if environment.is_sound():
        narrator.line("Bringing .venv up to date.")
        environment.forget()
    else:
        narrator.line("Setting up .venv, once. This needs the network and about 2 GB on the disk.")
        _make_folder(environment, narrator)
    _install(environment, narrator)
    environment.remember()
    narrator.line("Ready.")


def _make_folder(environment: Environment, narrator: Narrator) -> None:
    if not _has_ensurepip() and not _pip_from_elsewhere(environment):
        _install_system_packages(environment, narrator)
    command = [sys.executable, "-I", "-m", "venv", "--clear", str(environment.folder)]
    _run(command if _has_ensurepip() else [*command, "--without-pip"], "making .venv", narrator)
    narrator.line(f"Made .venv with Python {sys.version.split()[0]}.")


def _has_ensurepip() -> bool:
    # Asked in a new process: this one would not see what apt-get has just installed.
    asked = subprocess.run([sys.executable, "-I", "-c", "import ensurepip, venv"], capture_output=True, check=False)
    return asked.returncode == 0


def _pip_from_elsewhere(environment: Environment) -> list[str]:
    """A pip outside the environment that can install into it; empty where there is none."""
    python = str(environment.python)
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-I", "-u", "-m", "pip", "--python", python]
    wheels = sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))  # where Debian keeps it
    return [python, "-I", "-u", f"{wheels[-1]}/pip"] if wheels else []


def _install_system_packages(environment: Environment, narrator: Narrator) -> None:
    """Without ensurepip and any other pip: install the system package as root, else name the line to type."""
    listed = (environment.root / "packaging" / "debian-packages.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^\w\S*", listed.partition("[set-up]")[2].partition("[")[0], re.MULTILINE)
    running = Path(sys.executable).resolve()
    if running != Path("/usr/bin/python3").resolve():  # a second Python of the system has its own package
        packages = [package.replace("python3-venv", f"{running.name}-venv") for package in packages]
    apt_get = shutil.which("apt-get")
    missing = f"{running} has no ensurepip, so it cannot make an environment with pip in it."
    if apt_get is None or running.parent != Path("/usr/bin"):
        raise SetupError(missing, "Install what it lacks, or start with your system's own Python.")
    if os.geteuid() != 0:
        raise SetupError(missing, f"Type this line, then start again:\n\n    sudo apt install {' '.join(packages)}\n")
    _run([apt_get, "update"], "reading the package lists", narrator)  # a fresh machine has none
    install = [apt_get, "install", "-y", "--no-install-recommends", *packages]
    _run(install, "installing " + " ".join(packages), narrator)
    narrator.line("Installed the system package " + " ".join(packages) + ".")


def _install(environment: Environment, narrator: Narrator) -> None:
    has_pip = (environment.folder / "bin" / "pip").exists()
    pip = [] if has_pip else _pip_from_elsewhere(environment)
    pip = pip or [str(environment.python), "-I", "-u", "-m", "pip"]
    command = [*pip, "install", "--no-input", "--disable-pip-version-check", "--no-color", "--progress-bar=off"]
    command += ["--no-warn-script-location", "-c", str(environment.constraints), *environment.requirements]
    narrator.line(f"Fetching {len(environment.requirements)} packages and what they need.")
    has_driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None

    def show(line: str) -> str:
        fetched = FETCHED.match(line)
        if fetched:
            name = "-".join(fetched.group(1).split("-")[:2])
            narrator.line(f"  {name}{fetched.group(2) or ''}")
            if name.startswith("torch-") and "+cpu" not in name and not has_driver:
                narrator.line(CPU_BUILD)
            return "fetching " + name
        if line.startswith("Installing collected packages:"):
            narrator.line(f"Installing {line.count(',') + 1} packages.")
            return "installing"
        return ""

    _run(command, "fetching", narrator, show)


def _run(command: list[str], doing: str, narrator: Narrator, show: Callable[[str], str] | None = None) -> None:
    """Run a program to its end while the narrator shows that it lives; its last lines explain a failure."""
    tail: deque[str] = deque(maxlen=60)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PIP_USER": "0", "DEBIAN_FRONTEND": "noninteractive"},
        cwd=ROOT.anchor,  # not the project: its folder `packaging` must not be found by pip
        close_fds=False,  # the lock goes with it
    )
    with process:
        try:
            for line in _lines(process):
                if line.strip() and not NOISE.search(line):
                    tail.append(line.rstrip())
                    doing = (show(line) if show else "") or doing
                narrator.tick(doing)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise _explain_failure(command, list(tail))


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The program's lines as they come, and an empty one five times a second while nothing comes."""
    assert process.stdout is not None
    pending = b""
    while True:
        if not select.select([process.stdout], [], [], 0.2)[0]:
            yield ""
            continue
        block = os.read(process.stdout.fileno(), 65536)
        *whole, pending = (pending + block).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
        if not block:
            yield pending.decode("utf-8", "replace")
            return


def _explain_failure(command: list[str], tail: list[str]) -> SetupError:
    """The sentence for a program that failed, judged by what it printed."""
    text = "\n".join(tail)
    last = "\n".join(f"    {line.strip()}" for line in tail[-5:])
    for pattern, message, hint in KNOWN_FAILURES:
        if re.search(pattern, text):
            return SetupError(f"{message}\n{last}", hint)
    name = " ".join(Path(word).name for word in command[:6])
    return SetupError(f"{name} ... failed:\n{last}", "The last lines above say why.")


def _explain_os_error(error: OSError) -> SetupError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SetupError("The disk is full.", FREE_SPACE)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return SetupError(f"{error.filename or ROOT} cannot be written; .venv belongs beside it.", OWN_FOLDER)
    return SetupError(f"The operating system refused: {error}.", "The line above says which file.")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
