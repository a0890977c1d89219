"""Each import-linter contract is broken on purpose in a bare copy of the tree: a check must be able to turn red."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source_rules import ROOT

ROOTS = ("backend", "gui")
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]

# One process plants, lints and removes all violations in turn: a lint of the bare tree takes 4 ms, a start 300.
LINTER = """
import json, sys
from pathlib import Path
from importlinter import configuration
from importlinter.application import use_cases
sys.path.insert(0, ".")
configuration.configure()
options = use_cases.read_user_options("pyproject.toml")
use_cases._register_contract_types(options)
told = []
for importer, imported in json.load(sys.stdin):
    planted = Path(*importer.split("."), "planted.py")
    planted.write_text(f"def later():\\n    import {imported}\\n" if imported else "")
    report = use_cases.create_report(options, cache_dir=None)
    told.append([contract.name for contract, check in report.get_contracts_and_checks() if not check.kept])
    planted.unlink()
json.dump(told, open("told.json", "w"))
"""


def plants_of(contract: dict[str, Any]) -> list[tuple[str, str]]:
    """Every (importer, imported) pair the contract exists to refuse."""
    if contract["type"] == "layers":
        layers = [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
        upward = [(low, high) for upper, lower in combinations(layers, 2) for high in upper for low in lower]
        return upward + [pair for layer in layers for pair in permutations(layer, 2)]
    if contract["type"] == "independence":
        return list(permutations(contract["modules"], 2))
    assert contract["type"] == "forbidden", "a new type of contract needs its way of being broken here"
    return [(source, target) for source in contract["source_modules"] for target in contract["forbidden_modules"]]


def make_bare_tree(folder: Path) -> None:
    """The packages of the real tree and those the contracts name, all empty, so that only plants are seen."""
    sources = [path for half in ROOTS for path in (ROOT / half).rglob("*.py")]
    packages = {path.parent.relative_to(ROOT) for path in sources}
    modules = {path.relative_to(ROOT) for path in sources}
    for importer, imported in (pair for contract in CONTRACTS for pair in plants_of(contract)):
        packages |= {Path(*name.split(".")) for name in (importer, imported) if name.split(".")[0] in ROOTS}
    for package in packages:
        for level in (package, *package.parents[:-1]):
            (folder / level).mkdir(parents=True, exist_ok=True)
            (folder / level / "__init__.py").touch()
    for module in modules:
        if not (folder / module.with_suffix("")).is_dir():
            (folder / module).touch()
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())


@pytest.fixture(scope="module")
def broken_by(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[str]]:
    """The contracts that each planted import breaks; ("backend.contract", "") is the tree without a plant."""
    folder = tmp_path_factory.mktemp("tree")
    make_bare_tree(folder)
    pairs = [("backend.contract", ""), *dict.fromkeys(pair for c in CONTRACTS for pair in plants_of(c))]
    subprocess.run(
        [sys.executable, "-c", LINTER],
        input=json.dumps(pairs),
        text=True,
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    return dict(zip(pairs, json.loads((folder / "told.json").read_text()), strict=True))


def test_bare_tree_keeps_every_contract_when_nothing_is_planted(
    broken_by: dict[tuple[str, str], list[str]],
) -> None:
    assert broken_by["backend.contract", ""] == []


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract["name"])
def test_contract_turns_red_when_any_of_its_pairs_is_planted(
    contract: dict[str, Any], broken_by: dict[tuple[str, str], list[str]]
) -> None:
    missed = [pair for pair in plants_of(contract) if contract["name"] not in broken_by[pair]]
    assert missed == []


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract["name"])
def test_contract_is_the_only_red_one_when_its_own_pair_is_planted(
    contract: dict[str, Any], broken_by: dict[tuple[str, str], list[str]]
) -> None:
    alone = [pair for pair in plants_of(contract) if broken_by[pair] == [contract["name"]]]
    assert alone, "every pair is also refused by another contract: this one says nothing new"


def test_planted_import_breaks_only_contracts_that_name_it(broken_by: dict[tuple[str, str], list[str]]) -> None:
    named: dict[tuple[str, str], set[str]] = defaultdict(set)
    for contract in CONTRACTS:
        for pair in plants_of(contract):
            named[pair].add(contract["name"])
    surplus = {pair: set(broken) - named[pair] for pair, broken in broken_by.items() if set(broken) - named[pair]}
    assert surplus == {}
