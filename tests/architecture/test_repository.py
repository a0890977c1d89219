"""What the repository may contain: no machine's own paths, no registry addresses, no folder that shadows a library."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.architecture.source_rules import ROOT, own_files, product_sources

# Written in pieces, so that this file does not find itself.
MACHINE = re.compile(
    "|".join(
        [
            "/" + r"work/",
            "/" + r"tmp/w\b",
            "/" + r"root/",
            "/" + r"home/[a-z]+/",
            "/" + r"opt/(pypi|wheels)",
            "/" + r"simple/",
            "pypi" + r"\.(org|python)",
            "files" + r"\.pythonhosted",
            "download" + r"\.pytorch",
            "--(extra-)?" + "index-url",
            "file:" + r"///(opt|root|srv|mnt|work|tmp|home)\b",
        ]
    )
)
TEXT_ENDINGS = ("", ".py", ".md", ".txt", ".toml", ".json", ".jsonl", ".sql", ".sh", ".cfg", ".ini", ".desktop")


def test_files_name_no_machine_and_no_registry() -> None:
    found = []
    for path in own_files():
        if path.suffix in TEXT_ENDINGS:
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                if MACHINE.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number} {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("planted", ["/" + "tmp/w/dev/bin", "https://pypi" + ".org/x", "/" + "home/anna/models"])
def test_machine_paths_are_found_when_planted(planted: str) -> None:
    assert MACHINE.search(f"see {planted} there")


@pytest.mark.parametrize("folder", ["packaging", "resources"])
def test_folder_is_no_package(folder: str) -> None:
    assert not list((ROOT / folder).rglob("__init__.py"))


def test_packaging_and_transformers_import_when_started_from_the_root() -> None:
    """The folder `packaging` stands before the library of that name on the path; only a package would win."""
    told = subprocess.run(
        [sys.executable, "-c", "import packaging.version, transformers; print(packaging.version.__file__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "site-packages" in told.stdout


def test_product_imports_no_folder_of_data() -> None:
    importing = re.compile(r"^\s*(from|import) (resources\b|packaging\.(bootstrap|checks)\b)", re.MULTILINE)
    assert [source.name for source in product_sources() if importing.search(source.text)] == []


def test_constraints_pin_every_requirement() -> None:
    text = (ROOT / "packaging" / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)] == []
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    asked = re.findall(r'"([A-Za-z0-9_.-]+)[><=~]=?[^"]*"', project.split("[tool.", 1)[0])
    assert len(asked) > 20
    assert [name for name in asked if re.sub(r"[-_.]+", "-", name).lower() not in pinned] == []
