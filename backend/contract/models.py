"""Base models, lineages, checkpoints."""

from __future__ import annotations

from msgspec import Struct


class BaseModelView(Struct, frozen=True, kw_only=True):
    """A base model that training starts from, kept as a safetensors folder."""

    base_id: str
    """Short name for people and folders, e.g. `smollm2-135m-instruct-1f2e3d4c`."""
    source: str
    """What the user gave: folder, GGUF file or Hub id."""
    folder: str
    """Folder with config.json, safetensors and tokenizer; absolute path."""
    model_type: str = ""
    num_parameters: int = 0
    tokenizer_sha256: str = ""
    state: str = "ready"
    """fetching, converting, ready, failed or damaged."""
    reason: str = ""
    progress: float | None = None
    """0..1 while fetching or converting, None when unknown."""


class LineageView(Struct, frozen=True, kw_only=True):
    """A line of checkpoints that share base model and adapter shape."""

    lineage_id: int
    base_id: str
    lora_r: int
    lora_alpha: float
    target_modules: str
    quantization: str
    dtype: str
    head_step: int = 0
    created_at: float


class CheckpointRef(Struct, frozen=True, kw_only=True):
    """A checkpoint as the service names it to the trainer."""

    path: str
    manifest_sha256: str
    global_step: int


class CheckpointView(Struct, frozen=True, kw_only=True):
    """A committed checkpoint folder."""

    checkpoint_id: int
    path: str
    manifest_sha256: str
    lineage_id: int
    branch: int
    attempt_seq: int
    global_step: int
    job_id: int
    job_step: int
    size_bytes: int
    verified_at: float | None = None
    created_at: float


SAMPLE = "sample"
"""The source that stands for the small model the demo trains."""
SAMPLE_NAME = "SmolLM2-135M-Instruct"
SAMPLE_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the file it is made from."""
SAMPLE_SETTINGS: dict[str, str | int | float] = {
    "training.quantization": "none",
    "training.lora_r": 16,
    "training.lora_alpha": 32.0,
    "training.max_length": 512,
    "training.per_device_train_batch_size": 1,
    "training.gradient_accumulation_steps": 8,
    "training.num_train_epochs": 1,
    "training.num_samples": 2,
}
"""With these the sample model learns the sample file in minutes, on two cores of a processor."""


class FetchRequest(Struct, frozen=True, kw_only=True, tag="hub"):
    """One task for a fetcher child: `python -P -m backend.fetcher REQUEST.json`.

    Downloads only config, tokenizer and safetensors files of `repo_id` into `out_folder` (exists, empty) and
    replaces `progress.json` in it: {"done_bytes", "total_bytes", "file"}. Ends 0 and writes `fetched.json`,
    or ends 1 and writes `error.json` (ErrorBody).
    """

    repo_id: str
    revision: str = "main"
    out_folder: str
    endpoint: str = ""
    """Another Hub address; empty is the library's own default."""


class SampleRequest(Struct, frozen=True, kw_only=True, tag=SAMPLE):
    """The other task for a fetcher child: the demo's model as a GGUF file in `cache_folder`, fetched once.

    `fetched.json` names it: {"gguf_path"}; `progress.json`, `error.json` as for a repository.
    """

    cache_folder: str
    """In the user's cache: every workspace shares it."""
    out_folder: str


class ConvertRequest(Struct, frozen=True, kw_only=True):
    """One task for a converter child: `python -P -m backend.trainer.convert REQUEST.json`.

    Reads a GGUF file and fills `out_folder` (exists, empty) with a safetensors folder that
    AutoModelForCausalLM opens; `progress.json`, `error.json` as for the fetcher.
    """

    gguf_path: str
    out_folder: str
    num_threads: int = 0
