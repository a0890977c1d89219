"""The peer of the speed and equality figures: TRL's `SFTTrainer` on the same rows, order, optimiser and threads.

Runs in its own virtual environment (requirements-trl.txt), knows nothing of Everstep and writes nothing but a
temporary folder and, when asked, the adapter it starts from (`--save-init`). It is configured for the best it can
do on a CPU: fp32, no activation checkpointing, no logging, no saving, batches padded to their longest row. The loss of
a step is the sum of what the Trainer sent to backward, which TRL normalises by the supervised tokens of the whole
step; the clock of a step runs from the end of the previous one to its own end.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig, SFTTrainer

ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PACKAGES = ("torch", "trl", "transformers", "peft", "accelerate", "datasets", "tokenizers")


class MeasuredTrainer(SFTTrainer):
    """`SFTTrainer` that remembers, for each optimiser step, what its micro-batches were and what they lost."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.steps: list[dict[str, float]] = []
        self._begin_step()

    def training_step(self, model: Any, inputs: dict[str, torch.Tensor], *args: Any, **kwargs: Any) -> torch.Tensor:
        self._real_tokens += int(inputs["attention_mask"].sum())
        self._padded_tokens += inputs["attention_mask"].numel()
        self._supervised_tokens += int(inputs["labels"][:, 1:].ne(-100).sum())
        loss = super().training_step(model, inputs, *args, **kwargs)
        self._loss += loss.item()  # already divided by the supervised tokens of the whole step
        return loss

    def end_step(self, seconds: float) -> None:
        """Called at the end of an optimiser step: put the row down and begin the next."""
        self.steps.append(
            {
                "step": len(self.steps) + 1,
                "loss": self._loss,
                "seconds": seconds,
                "real_tokens": self._real_tokens,
                "padded_tokens": self._padded_tokens,
                "supervised_tokens": self._supervised_tokens,
            }
        )
        self._begin_step()

    def _begin_step(self) -> None:
        self._loss = 0.0
        self._real_tokens = self._padded_tokens = self._supervised_tokens = 0


class StepClock(TrainerCallback):
    """Tells the trainer how long each optimiser step took."""

    def __init__(self) -> None:
        self.trainer: MeasuredTrainer | None = None
        self._last_end = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._last_end = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        now = time.perf_counter()
        assert self.trainer is not None
        self.trainer.end_step(now - self._last_end)
        self._last_end = now


def ordered_rows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows in the exact order of training, as conversational prompt and completion."""
    with args.data.open(encoding="utf-8") as lines:
        raw = [json.loads(line) for _, line in zip(range(args.rows), lines, strict=False)]
    if len(raw) < args.rows:
        raise SystemExit(f"{args.data} has {len(raw)} rows, --rows asks for {args.rows}.")
    order = json.loads(args.order.read_text(encoding="utf-8")) if args.order else list(range(args.rows))
    needed = args.steps * args.per_device_train_batch_size * args.gradient_accumulation_steps
    if len(order) < needed or not all(0 <= index < args.rows for index in order):
        raise SystemExit(f"{args.steps} steps need an order of {needed} indices below {args.rows}.")
    return [
        {
            "prompt": [{"role": "user", "content": raw[index]["question"]}],
            "completion": [{"role": "assistant", "content": raw[index]["answer"]}],
        }
        for index in order[:needed]
    ]


def adapted_model(args: argparse.Namespace) -> PeftModel:
    """The base model in fp32 with a LoRA adapter: the given one, or a new one drawn from the seed."""
    base = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32, attn_implementation="sdpa")
    shape = {"r": args.lora_r, "lora_alpha": args.lora_alpha, "target_modules": ALL_LINEAR}
    if args.init:
        config = PeftConfig.from_pretrained(args.init)
        given = {name: getattr(config, name) for name in shape}
        if {**given, "target_modules": sorted(given["target_modules"])} != {
            **shape,
            "target_modules": sorted(ALL_LINEAR),
        }:
            raise SystemExit(f"The adapter in {args.init} has {given}, the run asks for {shape}.")
        config.lora_dropout = args.lora_dropout
        model = PeftModel.from_pretrained(base, args.init, config=config, is_trainable=True)
    else:
        set_seed(args.seed)
        model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", lora_dropout=args.lora_dropout, **shape))
    if args.save_init:
        model.save_pretrained(args.save_init)
    return model


def sft_config(args: argparse.Namespace, output_dir: str) -> SFTConfig:
    return SFTConfig(
        output_dir=output_dir,
        max_steps=args.steps,
        per_device_train_batch_size=args.per_device_train_batch_size,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        train_sampling_strategy="sequential",
        max_length=args.max_length,
        packing=False,
        completion_only_loss=True,
        learning_rate=args.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=args.warmup_steps,
        optim="adamw_torch",
        adam_beta1=0.9,
        adam_beta2=0.999,
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=args.seed,
        use_cpu=True,
        bf16=False,
        fp16=False,
        activation_checkpointing=False,
        dataloader_pin_memory=False,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def train(args: argparse.Namespace) -> list[dict[str, float]]:
    """One run; the measured steps."""
    rows = ordered_rows(args)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    clock = StepClock()
    with tempfile.TemporaryDirectory() as output_dir:
        trainer = MeasuredTrainer(
            model=adapted_model(args),
            args=sft_config(args, output_dir),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[clock],
        )
        if len(trainer.train_dataset) != len(rows):
            raise SystemExit("A row has no supervised token within --max-length, so the order would shift.")
        clock.trainer = trainer
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer.steps


def report(args: argparse.Namespace, steps: list[dict[str, float]]) -> dict[str, Any]:
    """The run as one JSON object; the first step is left out of the speed, it pays for warming up."""
    timed = steps[1:] or steps
    return {
        "program": "trl",
        "per_device_train_batch_size": args.per_device_train_batch_size,
        "gradient_accumulation_steps": args.gradient_accumulation_steps,
        "lora_dropout": args.lora_dropout,
        "warmup_steps": args.warmup_steps,
        "threads": args.threads,
        "steps": steps,
        "tokens_per_second": sum(row["real_tokens"] for row in timed) / sum(row["seconds"] for row in timed),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train with TRL's SFTTrainer and print what each step cost.")
    parser.add_argument("--model", type=Path, required=True, help="folder with safetensors and tokenizer")
    parser.add_argument("--data", type=Path, required=True, help="JSONL with question and answer")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--per-device-train-batch-size", type=int, default=1)
    parser.add_argument("--gradient-accumulation-steps", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--lora-r", type=int, default=16)
    parser.add_argument("--lora-alpha", type=float, default=16)
    parser.add_argument("--lora-dropout", type=float, default=0.02)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--warmup-steps", type=float, default=0, help="a fraction below 1 is a share of the steps")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--order", type=Path, help="JSON list of row indices; without it, the order of the file")
    parser.add_argument("--init", type=Path, help="PEFT folder with the LoRA weights to start from")
    parser.add_argument("--save-init", type=Path, help="write the LoRA weights the run starts from")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser.parse_args(argv)


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print must not break the JSON
        result = report(args, train(args))
    if args.json:
        print(json.dumps(result))
        return
    for row in result["steps"]:
        print(f"{row['step']:3}  loss {row['loss']:.6f}  {row['seconds']:6.2f} s  {row['real_tokens']} tokens")
    print(f"{result['tokens_per_second']:.1f} tokens/s, {result['peak_rss_bytes'] / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
