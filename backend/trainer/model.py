"""Loading a base model, putting an adapter on it, and running packed documents through it.

safetensors and files of the folder only: no pickle, no remote code, no network.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn import Linear4bit
from peft import LoraConfig, get_peft_model
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from backend.contract.errors import ModelError
from backend.contract.settings import TrainingSettings
from backend.trainer import attention, fused, lora
from backend.trainer.adapter import Adapter
from backend.trainer.batches import MicroBatch
from backend.trainer.head import token_losses
from backend.trainer.seeds import DropoutStream

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
_UNPACKABLE = ("sliding_window", "attn_logit_softcapping", "attention_chunk_size")


def pick_device() -> torch.device:
    """The first CUDA device, else the processor."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on graphics cards and float32 on processors, where bfloat16 may be very slow."""
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return _DTYPES[name]


def load_base(folder: Path, settings: TrainingSettings, device: torch.device) -> Any:
    """The frozen model of a folder. Raises ModelError with a sentence for everything that can be wrong with it."""
    config = _checked_config(folder)
    dtype = pick_dtype(settings.dtype, device)
    attention.register()
    options: dict[str, Any] = {
        "dtype": dtype,
        "local_files_only": True,
        "use_safetensors": True,
        "trust_remote_code": False,
    }
    if _can_pack(config):
        options["attn_implementation"] = attention.NAME
    if settings.quantization == "nf4":
        options["device_map"] = {"": device}
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as problem:
        if is_out_of_memory(problem):
            raise
        first_line = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        raise ModelError(
            f"{folder} does not load as a causal language model: {first_line}",
            hint="Choose a folder with config.json, safetensors weights and a tokenizer of a supported model.",
        ) from problem
    if settings.quantization != "nf4":
        model.to(device)
    for module in model.modules():
        if isinstance(module, Linear4bit):
            # Else its first forward in eval mode repacks the weight for AVX-512 and rounds what it computes.
            module.support_avx512bf16_for_cpu = False
    model.requires_grad_(False)
    model.config.use_cache = False
    return model


def _checked_config(folder: Path) -> dict[str, Any]:
    hint = "Choose the folder that holds config.json and safetensors weights."
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{folder} has no config.json.", hint=hint) from None
    except (OSError, ValueError) as problem:
        raise ModelError(f"{folder}/config.json cannot be read: {problem}.", hint=hint) from None
    if not isinstance(config, dict):
        raise ModelError(f"{folder}/config.json is not a JSON object.", hint=hint)
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder} has no safetensors weights; pickle files are never loaded.", hint=hint)
    if "auto_map" in config:
        raise ModelError(
            f"{folder} wants to run Python code of its own, which is never done.",
            hint="Choose a model whose architecture is part of transformers.",
        )
    return config


def _can_pack(config: dict[str, Any]) -> bool:
    """Whether plain causal attention inside each document is all the model asks of attention."""
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    assert isinstance(text, dict)
    if any(text.get(name) for name in _UNPACKABLE) and text.get("use_sliding_window", True):
        return False
    return set(text.get("layer_types") or ["full_attention"]) <= {"full_attention"}


@dataclass
class Network:
    """A base model with its adapter, ready for packed documents."""

    model: Any
    """transformers' model with PEFT's layers inside."""
    peft_model: Any
    adapter: Adapter
    device: torch.device
    dtype: torch.dtype
    dropout: DropoutStream = field(default_factory=DropoutStream)
    groups: list[lora.LoraGroup] = field(default_factory=list)
    packs_documents: bool = True
    """False: one document a micro-batch, with the model's own attention."""
    keeps_head: bool = True
    """False: the model does more to its logits than multiply by the head; its own forward makes them."""
    notes: list[str] = field(default_factory=list)
    """What had to fall back, for a person."""

    def losses(self, batch: MicroBatch) -> Tensor:
        """Negative log-likelihood of every supervised token of the batch, shape (N,), float32 or float64."""
        documents = {"document_lengths": batch.lengths} if self.packs_documents else {}
        if self.keeps_head:
            hidden = self.model.base_model(
                input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False, **documents
            ).last_hidden_state
            head = self.model.get_output_embeddings()
            return token_losses(hidden[0, batch.predicting], head.weight, head.bias, batch.labels)
        logits = self.model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            use_cache=False,
            logits_to_keep=batch.predicting,
            **documents,
        ).logits[0]
        wide = logits if logits.dtype is torch.float64 else logits.float()
        return nn.functional.cross_entropy(wide, batch.labels, reduction="none")

    def set_dropout(self, probability: float) -> None:
        """PEFT fixes dropout when an adapter is made; a later job may ask for another."""
        for module in self.model.modules():
            if hasattr(module, "lora_dropout"):
                layer = nn.Dropout(probability) if probability > 0.0 else nn.Identity()
                module.lora_dropout[lora.ADAPTER] = layer
                module.lora_dropout.train(self.model.training)

    def watch_layers(self, moved: Callable[[], None]) -> None:
        """Call `moved` for every decoder layer, forwards and backwards."""
        for layer in decoder_layers(self.model):
            layer.register_forward_hook(lambda *_: moved())
        for group in self.groups:
            group.moved = moved


def decoder_layers(model: Any) -> list[nn.Module]:
    """The model's repeated blocks: the longest list of modules in it."""
    lists = [list(module) for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=[])


def attach_adapter(base: Any, settings: TrainingSettings, device: torch.device) -> Network:
    """Put a fresh adapter on a base model. Raises ModelError when the target layers do not exist."""
    names = [name.strip() for name in settings.target_modules.split(",") if name.strip()]
    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT asks transformers by a name that is on its way out
            peft_model = get_peft_model(base, config)
    except ValueError as problem:
        raise ModelError(
            f"No adapter fits this model: {str(problem).splitlines()[0]}",
            hint="Set training.target_modules to all-linear or to names of its linear layers.",
        ) from problem
    dtype = pick_dtype(settings.dtype, device)
    peft_model.config.use_cache = False
    model = peft_model.get_base_model()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float64 if dtype is torch.float64 else torch.float32)
    network = Network(
        model=model,
        peft_model=peft_model,
        adapter=Adapter(peft_model),
        device=device,
        dtype=dtype,
        packs_documents=model.config._attn_implementation == attention.NAME,
    )
    _fuse(network)
    if settings.gradient_checkpointing:
        checkpoint_activations(network)
    model.train()
    return network


def detach_adapter(network: Network) -> Any:
    """The bare base model again."""
    fused.uninstall(network.model)
    lora.uninstall(network.model)
    return network.peft_model.unload()


def checkpoint_activations(network: Network) -> None:
    """Recompute activations in the backward pass: less memory, about a third slower."""
    # transformers renamed it in 5.23 and warns at the old name
    enable = getattr(network.model, "activation_checkpointing_enable", network.model.gradient_checkpointing_enable)
    enable({"use_reentrant": False})


@torch.no_grad()
def _fuse(network: Network) -> None:
    """Install what is faster, and take back whatever does not give the plain model's logits."""
    model = network.model
    model.eval()
    vocabulary = model.get_input_embeddings().num_embeddings
    documents = [torch.arange(7) * 31 % vocabulary, torch.arange(5) * 17 % vocabulary]
    inputs = [tokens[None].to(network.device) for tokens in documents]
    wanted = [model(input_ids=tokens, use_cache=False).logits[0] for tokens in inputs]
    network.groups = lora.install(model, network.dropout)
    fused.install(model, network.groups)
    if not _agree(model(input_ids=inputs[0], use_cache=False).logits[0], wanted[0]):
        fused.uninstall(model)
        lora.uninstall(model)
        network.groups = []
        network.notes.append("its layers could not be fused, so PEFT's own are used")
    if network.packs_documents and not _agree(_packed_logits(network, documents), torch.cat(wanted)):
        network.packs_documents = False
        model.set_attn_implementation("sdpa")
        network.notes.append("its attention does not take packed documents, so each row is computed alone")
    head = model.get_output_embeddings()
    hidden = model.base_model(input_ids=inputs[0], use_cache=False).last_hidden_state
    if not isinstance(head, nn.Linear) or not _agree(head(hidden)[0], wanted[0]):
        network.keeps_head = False
        network.notes.append("it changes its logits after the head, so its own head is used")
    model.train()


def _packed_logits(network: Network, documents: list[Tensor]) -> Tensor:
    lengths = tuple(len(tokens) for tokens in documents)
    logits: Tensor = network.model(
        input_ids=torch.cat(documents)[None].to(network.device),
        position_ids=torch.cat([torch.arange(length) for length in lengths])[None].to(network.device),
        use_cache=False,
        document_lengths=lengths,
    ).logits[0]
    return logits


def _agree(found: Tensor, wanted: Tensor) -> bool:
    tolerance = 1e-3 if wanted.dtype in (torch.float32, torch.float64) else 5e-2
    scale = float(wanted.float().abs().max()) or 1.0
    return float((found.float() - wanted.float()).abs().max()) <= tolerance * scale


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception says that there is no memory, on the device or in the machine."""
    if isinstance(problem, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(problem, RuntimeError) and "DefaultCPUAllocator" in str(problem)
