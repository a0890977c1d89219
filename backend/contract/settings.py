"""Every setting, declared once: form, validation, `config set` and docs derive from these structs.

A field's `Annotated[..., Meta]` carries range, title and help; `extra` carries `unit`, `locked` (fixed once
the lineage has a checkpoint, because it gives the adapter its shape) and `choices`. Field names are the
Hugging Face ecosystem's where it has one. Keys in files and at the prompt read `training.learning_rate`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from backend.contract.errors import BadInputError

PositiveInt = Annotated[int, Meta(ge=1)]


def _meta(title: str, description: str, **extra: Any) -> Meta:
    bounds = {k: extra.pop(k) for k in ("ge", "gt", "le", "lt", "min_length") if k in extra}
    return Meta(title=title, description=description, extra=extra, **bounds)


class TrainingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a file is trained. A job keeps the snapshot it was added with."""

    quantization: Annotated[
        str,
        _meta(
            "Quantisation",
            "How the base model is held: nf4 (4-bit QLoRA, double quantised) or none (LoRA on full weights).",
            choices=("nf4", "none"),
            locked=True,
        ),
    ] = "nf4"
    dtype: Annotated[
        str,
        _meta(
            "Number format",
            "Format of the base weights and the arithmetic: auto picks bfloat16 on graphics cards and "
            "float32 on processors.",
            choices=("auto", "float32", "bfloat16", "float64"),
            locked=True,
        ),
    ] = "auto"
    lora_r: Annotated[
        int,
        _meta(
            "LoRA rank",
            "Width of the adapter: more learns more and needs more memory.",
            ge=1,
            le=1024,
            locked=True,
        ),
    ] = 128
    lora_alpha: Annotated[
        float,
        _meta("LoRA alpha", "Scale of the adapter; alpha / r is the factor.", gt=0, le=4096, locked=True),
    ] = 128
    lora_dropout: Annotated[
        float, _meta("LoRA dropout", "Share of adapter inputs dropped while training.", ge=0, lt=1)
    ] = 0.02
    target_modules: Annotated[
        str,
        _meta(
            "Target layers",
            "all-linear, or names of linear layers separated by commas.",
            min_length=1,
            locked=True,
        ),
    ] = "all-linear"
    learning_rate: Annotated[float, _meta("Learning rate", "Step size of the optimiser at its peak.", gt=0, le=1)] = (
        2e-4
    )
    lr_scheduler_type: Annotated[
        str,
        _meta(
            "Schedule",
            "How the learning rate moves over one file.",
            choices=("cosine", "linear", "constant", "constant_with_warmup"),
        ),
    ] = "cosine"
    warmup_steps: Annotated[
        float,
        _meta(
            "Warm-up",
            "Steps of rising learning rate at the start of a file; below 1 it is a share.",
            ge=0,
            le=1e6,
        ),
    ] = 0.03
    num_train_epochs: Annotated[int, _meta("Epochs", "How often each row of a file is seen.", ge=1, le=1000)] = 1
    per_device_train_batch_size: Annotated[
        int, _meta("Examples a micro-batch", "Multiplied with accumulation: examples a step.", ge=1, le=4096)
    ] = 1
    gradient_accumulation_steps: Annotated[
        int, _meta("Accumulation", "Multiplied with the batch size: examples a step.", ge=1, le=4096)
    ] = 8
    max_length: Annotated[
        int,
        _meta(
            "Longest row",
            "Rows with more tokens are cut at the end, with a warning.",
            ge=8,
            le=1_048_576,
            unit="tokens",
        ),
    ] = 3072
    adam_beta1: Annotated[float, _meta("Adam beta 1", "Decay of the first moment.", ge=0, lt=1)] = 0.9
    adam_beta2: Annotated[float, _meta("Adam beta 2", "Decay of the second moment.", ge=0, lt=1)] = 0.999
    adam_epsilon: Annotated[float, _meta("Adam epsilon", "Guards against division by zero.", gt=0, le=1)] = 1e-8
    weight_decay: Annotated[float, _meta("Weight decay", "Pull of the adapter towards zero.", ge=0, le=1)] = 0.0
    max_grad_norm: Annotated[float, _meta("Gradient clipping", "Longest gradient; 0 is no clipping.", ge=0, le=1e6)] = (
        1.0
    )
    seed: Annotated[int, _meta("Seed", "Decides order and dropout.", ge=0, le=2**31 - 1)] = 42
    eval_steps: Annotated[
        int, _meta("Evaluate every", "0 evaluates only at the end of a file.", ge=0, le=10**9, unit="steps")
    ] = 500
    save_steps: Annotated[
        int,
        _meta("Checkpoint every", "Or save_minutes, whichever comes first.", ge=1, le=10**9, unit="steps"),
    ] = 100
    save_minutes: Annotated[
        float,
        _meta(
            "Checkpoint at least every",
            "Or save_steps, whichever comes first.",
            gt=0,
            le=1440,
            unit="minutes",
        ),
    ] = 5.0
    sample_steps: Annotated[
        int, _meta("Sample every", "0 samples only at the end of a file.", ge=0, le=10**9, unit="steps")
    ] = 200
    num_samples: Annotated[int, _meta("Samples", "Prompts answered each time.", ge=0, le=64)] = 4
    sample_max_new_tokens: Annotated[int, _meta("Sample length", "Longest answer.", ge=1, le=4096, unit="tokens")] = 64
    gradient_checkpointing: Annotated[
        bool, _meta("Recompute activations", "Saves memory, costs about a third of the speed.")
    ] = False
    token_budget: Annotated[
        int,
        _meta(
            "Token budget",
            "Most tokens in one micro-batch; 0 measures the best on this machine.",
            ge=0,
            le=2**20,
            unit="tokens",
        ),
    ] = 0

    @property
    def examples_per_step(self) -> int:
        """Examples of one optimiser step."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps


class ServiceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the service behaves."""

    auto_start: Annotated[
        bool, _meta("Start by itself", "A file that passed its check trains when its turn comes.")
    ] = True
    poll_interval: Annotated[
        float, _meta("Inbox sweep", "The inbox is swept at least this often.", ge=1, le=3600, unit="seconds")
    ] = 30.0
    keep_checkpoints: Annotated[
        int, _meta("Checkpoints kept", "Newest verified checkpoints of a lineage that stay.", ge=2, le=1000)
    ] = 5
    validation_max_rows: Annotated[
        int,
        _meta("Validation rows", "Most rows held out from the first file; 0 holds out none.", ge=0, le=100_000),
    ] = 1000
    validation_max_share: Annotated[
        float, _meta("Validation share", "Largest share of the first file held out.", ge=0, le=0.5)
    ] = 0.10
    heldout_max_share: Annotated[
        float, _meta("Held-out share", "Share of each later file held out for its own loss.", ge=0, le=0.5)
    ] = 0.05
    num_threads: Annotated[
        int, _meta("Threads", "Processor threads of the trainer; 0 takes the physical cores.", ge=0, le=1024)
    ] = 0
    idle_retire_minutes: Annotated[
        float,
        _meta(
            "Free an idle trainer after",
            "An idle trainer ends and frees its memory.",
            gt=0,
            le=10_080,
            unit="minutes",
        ),
    ] = 20.0
    disk_floor_gigabytes: Annotated[
        float, _meta("Disk floor", "Training pauses when less is free.", ge=0, le=10_000, unit="GB")
    ] = 1.0
    log_keep_days: Annotated[int, _meta("Keep logs", "Daily log files kept.", ge=1, le=3650, unit="days")] = 30
    log_max_megabytes: Annotated[
        int, _meta("Log size", "Largest total of the log folder.", ge=1, le=100_000, unit="MB")
    ] = 200


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole `config.json`."""

    training: TrainingSettings = TrainingSettings()
    service: ServiceSettings = ServiceSettings()


class SettingView(Struct, frozen=True, kw_only=True):
    """One setting as a form, the prompt and the docs show it."""

    key: str
    value: Any
    default: Any
    type: str
    title: str
    help: str
    unit: str = ""
    locked: bool = False
    choices: tuple[str, ...] = ()


_ROOMS: dict[str, type[Struct]] = {"training": TrainingSettings, "service": ServiceSettings}

CPU_PRESET: dict[str, Any] = {"quantization": "none", "lora_r": 16, "lora_alpha": 32.0, "max_length": 512}
"""What a machine without a graphics card starts with instead of the defaults."""


def describe(config: Config) -> list[SettingView]:
    """Every setting with its declaration and present value, in order of declaration."""
    views = []
    for room, struct in _ROOMS.items():
        values = getattr(config, room)
        for field in msgspec.structs.fields(struct):
            info = msgspec.inspect.type_info(field.type)
            extra = dict(info.extra or {}) if isinstance(info, msgspec.inspect.Metadata) else {}
            schema = info.extra_json_schema or {} if isinstance(info, msgspec.inspect.Metadata) else {}
            inner = info.type if isinstance(info, msgspec.inspect.Metadata) else info
            views.append(
                SettingView(
                    key=f"{room}.{field.name}",
                    value=getattr(values, field.name),
                    default=field.default,
                    type=type(inner).__name__.removesuffix("Type").lower(),
                    title=schema.get("title", field.name),
                    help=schema.get("description", ""),
                    unit=extra.get("unit", ""),
                    locked=bool(extra.get("locked", False)),
                    choices=tuple(extra.get("choices", ())),
                )
            )
    return views


def with_value(config: Config, key: str, value: Any) -> Config:
    """A copy of `config` with one setting changed and validated.

    `key` is `room.name` or a bare name; `value` may be text as typed at a prompt.
    Raises BadInputError for an unknown key, a wrong type or a value out of range.
    """
    views = {view.key: view for view in describe(config)}
    full = key if key in views else next((k for k in views if k.split(".", 1)[1] == key), None)
    if full is None:
        raise BadInputError(f"There is no setting called {key!r}.", hint="`config show` lists them all.")
    view = views[full]
    room, name = full.split(".", 1)
    struct = _ROOMS[room]
    try:
        current = msgspec.to_builtins(getattr(config, room))
        changed = msgspec.convert({**current, name: value}, struct, strict=not isinstance(value, str))
    except msgspec.ValidationError as problem:
        unit = f" {view.unit}" if view.unit else ""
        raise BadInputError(
            f"{full} cannot be {value!r}: {str(problem).split(' - at')[0]}.",
            hint=f"{view.title}: {view.help} Its default is {view.default}{unit}.",
        ) from None
    if view.choices and getattr(changed, name) not in view.choices:
        raise BadInputError(f"{full} cannot be {value!r}.", hint=f"It is one of {', '.join(view.choices)}.")
    return msgspec.structs.replace(config, **{room: changed})


def parse_config(data: bytes, *, name: str = "config.json") -> Config:
    """Decode `config.json`; raises BadInputError that names file and line or field."""
    try:
        config = msgspec.json.decode(data, type=Config)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise BadInputError(
            f"{name} cannot be read: {_place(data, problem)}.",
            hint="Mend it there, or move the file away: then the defaults hold. Nothing else was touched.",
        ) from None
    for view in describe(config):
        if view.choices and view.value not in view.choices:
            raise BadInputError(
                f"{name}: {view.key} cannot be {view.value!r}.",
                hint=f"It is one of {', '.join(view.choices)}.",
            )
    return config


def _place(data: bytes, problem: Exception) -> str:
    """What is wrong, with the line where the decoder only counts bytes, with the setting where it names a path."""
    told = str(problem).rstrip(".")
    if " - at `$." in told:
        what, _, where = told.partition(" - at `$.")
        return f"{where.rstrip('`')}: {what[0].lower()}{what[1:]}"
    found = re.search(r" \((?:byte|at byte) (\d+)\)", told)
    byte = int(found.group(1)) if found else len(data) if "truncated" in told else None
    return told if byte is None else f"line {data[:byte].count(10) + 1}: {told}"
