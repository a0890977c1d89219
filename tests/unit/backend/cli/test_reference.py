"""The pages made from declarations are up to date, and every command line in the documents can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from backend.cli import commands, reference
from backend.formats.workspace import Workspace

ROOT = Path(__file__).resolve().parents[4]
OTHER_ROLES = ("serve", "test")
SERVE_FLAGS = {"--workspace", "--until-idle", "--linger"}


def command_lines(page: str) -> list[str]:
    """Every `main.py ...` of a page, comments and prompts removed."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = re.findall(r"^\$ python3 main\.py ([^#\n]+)", text, re.MULTILINE)
    inline = re.findall(r"`python3 main\.py ([^`]+)`", text)
    return [line.strip() for line in [*fenced, *inline] if "…" not in line and "VERB" not in line]


@pytest.mark.parametrize("name", ["commands", "settings"])
def test_reference_page_is_what_the_declarations_say(name: str) -> None:
    made = {"commands": reference.commands_page, "settings": reference.settings_page}[name]()
    written = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert written == made, "run: python -m backend.cli.reference"


@pytest.mark.parametrize("line", sorted({*command_lines("README.md"), *command_lines("docs/settings.md")}))
def test_documented_command_line_can_be_typed(line: str) -> None:
    words = shlex.split(line)
    if words[0] in OTHER_ROLES:
        assert set(word for word in words[1:] if word.startswith("--")) <= SERVE_FLAGS
        return
    words = [{"KEY": "lora_r", "VALUE": "8"}.get(word, word) for word in words]
    app = commands.build()
    _command, bound, _rest = app.parse_args(words)
    assert bound is not None


def test_documents_have_command_lines_at_all() -> None:
    assert len(command_lines("README.md")) > 30


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in ("architecture", "files", "figures"))])
def test_links_of_the_documents_lead_somewhere(page: str) -> None:
    source = ROOT / page
    links = re.findall(r"\]\(([^)#]+)\)", source.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (source.parent / link).exists()]
    assert missing == []


def test_files_page_names_every_folder_of_a_workspace(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    workspace = Workspace(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in workspace.folders]
    assert [name for name in names if f"`{name}/" not in text] == []
    for path in (workspace.database, workspace.journal, workspace.config_file, workspace.stop_file):
        assert f"`{path.name}`" in text
