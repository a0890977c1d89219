"""Every word of the contract crosses the wire and comes back the same."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import msgspec
import pytest
from msgspec import Struct, inspect

import backend.contract
from backend.contract.events import AnyServiceEvent, ServiceEvent
from backend.contract.spool import AnyTrainerEvent, TrainerEvent

MODULES = [
    importlib.import_module(f"backend.contract.{module.name}")
    for module in pkgutil.iter_modules(backend.contract.__path__)
]


SIMPLE = {
    inspect.IntType: 7,
    inspect.FloatType: 0.25,
    inspect.BoolType: True,
    inspect.StrType: 'x "y" é\u2028 😀',
    inspect.AnyType: "anything",
}


def structs() -> list[type[Struct]]:
    found = {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Struct) and value.__module__ == module.__name__
    }
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def sample(kind: Any, *, filled: bool) -> Any:
    """A value of a type: every field set when `filled`, else only those without default."""
    if isinstance(kind, inspect.Metadata):
        return sample(kind.type, filled=filled)
    if isinstance(kind, inspect.StructType):
        fields = [field for field in kind.fields if field.required or filled]
        return kind.cls(**{field.name: sample(field.type, filled=filled) for field in fields})
    if isinstance(kind, inspect.UnionType):
        return sample(next(one for one in kind.types if not isinstance(one, inspect.NoneType)), filled=filled)
    if isinstance(kind, inspect.EnumType):
        return list(kind.cls)[-1]
    if isinstance(kind, inspect.ListType):
        return [sample(kind.item_type, filled=filled)]
    if isinstance(kind, inspect.VarTupleType):
        return (sample(kind.item_type, filled=filled),)
    if isinstance(kind, inspect.TupleType):
        return tuple(sample(item, filled=filled) for item in kind.item_types)
    if isinstance(kind, inspect.DictType):
        return {sample(kind.key_type, filled=filled): sample(kind.value_type, filled=filled)}
    least = getattr(kind, "ge", None)
    return SIMPLE[type(kind)] if least is None else max(least, SIMPLE[type(kind)])


VALUES = [kind for kind in structs() if kind.__name__ != "Verb"]  # the table itself holds types


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("filled", [False, True])
def test_struct_comes_back_the_same(kind: type[Struct], filled: bool) -> None:
    value = sample(inspect.type_info(kind), filled=filled)
    assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value
    assert msgspec.convert(msgspec.to_builtins(value), kind) == value


@pytest.mark.parametrize("kind", structs(), ids=lambda kind: kind.__name__)
def test_struct_is_frozen_named_only_and_described(kind: type[Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__doc__
    with pytest.raises(TypeError, match="positional"):
        kind(1)


@pytest.mark.parametrize(("base", "union"), [(TrainerEvent, AnyTrainerEvent), (ServiceEvent, AnyServiceEvent)])
def test_every_event_is_in_the_union_under_its_own_tag(base: type[Struct], union: Any) -> None:
    kinds = [kind for kind in structs() if issubclass(kind, base) and kind is not base]
    assert set(union.__args__) == set(kinds)
    assert len({kind.__struct_config__.tag for kind in kinds}) == len(kinds) > 5
    for kind in kinds:
        value = sample(inspect.type_info(kind), filled=True)
        assert type(msgspec.json.decode(msgspec.json.encode(value), type=union)) is kind


@pytest.mark.parametrize("union", [AnyTrainerEvent, AnyServiceEvent])
def test_event_with_an_unknown_tag_is_refused(union: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match="Invalid value"):
        msgspec.json.decode(b'{"type": "nonsense", "kind": "nonsense", "n": 1, "at": 0.0}', type=union)
