"""Sees to the system packages of a section of debian-packages.txt: `system_packages.py window tests`.

A script that main.py runs before the window or its tests, never a module. Standard library only. What is missing
is printed; where it is root on Debian or Ubuntu it is installed, else the exact line to type is printed.

0: all there. 1: something is missing, and what to type was printed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "packaging" / "debian-packages.txt"
FOR = {"window": "to open a window", "tests": "to test the window with real mouse and keys"}


class Package(NamedTuple):
    """A system package and what shows that it is installed."""

    name: str
    proof: str


def main(sections: list[str]) -> int:
    """See to every section named; the first that cannot be had ends it."""
    return next((1 for section in sections if not _see_to(section)), 0)


def _see_to(section: str) -> bool:
    missing = _missing(read(section))
    if not missing:
        return True
    names = " ".join(package.name for package in missing)
    _tell(f"These system packages are missing {FOR.get(section, '')}: {names}")
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        proofs = " ".join(package.proof for package in missing)
        _tell(f"They are named as Debian names them; what must be found is: {proofs}")
        return False
    if os.geteuid() != 0:
        _tell(f"Type this line, then start again:\n\n    sudo apt install {names}\n")
        return False
    _tell("Installing them.")
    if not _install(apt_get, [package.name for package in missing]):
        _tell(f"apt-get could not install them. The line to try yourself:\n\n    apt install {names}\n")
        return False
    left = _missing(missing)
    if left:
        _tell("Still not found after installing: " + " ".join(f"{name} ({proof})" for name, proof in left))
    return not left


def read(section: str, path: Path = LIST) -> list[Package]:
    """The packages of one section, in the order of the file."""
    packages = []
    present = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split("#", 1)[0].split()
        if words and words[0].startswith("["):
            present = words[0].strip("[]")
        elif words and present == section:
            packages.append(Package(words[0], words[-1]))
    return packages


def _missing(packages: list[Package]) -> list[Package]:
    return [package for package in packages if not is_there(package.proof)]


def is_there(proof: str) -> bool:
    """Whether the library loads, the program is on the PATH, or a file of the pattern exists."""
    if proof.startswith("/"):
        root, _, pattern = proof.partition("/**/")
        return next(Path(root).rglob(pattern), None) is not None
    if ".so" not in proof:
        return shutil.which(proof) is not None
    try:
        ctypes.CDLL(proof)
    except OSError:
        return False
    return True


def _install(apt_get: str, names: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *names]):  # a fresh machine has no lists
        done = subprocess.run(
            [apt_get, "-q", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0 and words[0] == "install":
            _tell("\n".join(done.stdout.splitlines()[-8:]))
            return False
    return True


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
