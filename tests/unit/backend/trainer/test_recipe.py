"""The whole trainer in this process: exact resume, pause, due work, leaving, requests, warm files."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from backend.contract.spool import (
    BudgetChanged,
    CheckpointSaved,
    Control,
    Desired,
    Evaluated,
    Exiting,
    JobFailed,
    JobFinished,
    JobLeft,
    JobStarted,
    Paused,
    PhaseChanged,
    Request,
    RequestDone,
    Resumed,
    Sampled,
    Step,
    TrainerEvent,
)
from backend.store.durable import commit_file, seal_folder
from backend.trainer import recipe
from backend.trainer.failures import BadAssignmentError, BadCheckpointError
from tests.fixtures.tiny_model import random_rows, write_token_store
from tests.unit.backend.trainer.conftest import Rig, Trainer, losses, saved, settings, steps


def _words(events: list[TrainerEvent]) -> list[str]:
    """The events that matter for the order of things, as short words."""
    words = []
    for event in events:
        if isinstance(event, Step):
            words.append(f"step {event.global_step}")
        elif isinstance(event, CheckpointSaved):
            words.append(f"saved {event.global_step}")
        elif isinstance(event, Evaluated):
            words.append(f"evaluated {event.global_step}")
        elif isinstance(event, Sampled):
            words.append(f"sampled {event.global_step}")
        elif isinstance(event, (JobFinished, JobLeft, Paused, Resumed, Exiting)):
            words.append(type(event).__name__)
    return words


def _with_validation(rig: Rig) -> dict[str, str]:
    folder = rig.root / "validation"
    write_token_store(folder / "tokens", random_rows(5, seed=3))
    row = {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Yes."}]}
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    return {"validation_folder": str(folder / "tokens"), "validation_id": "v1"}


def test_train_tells_every_step_and_commits_the_last_one(rig: Rig) -> None:
    events = rig.train()
    assert _words(events) == ["step 1", "step 2", "step 3", "step 4", "saved 4", "JobFinished", "Exiting"]
    assert [event.n for event in events] == list(range(1, len(events) + 1))
    assert sorted(row for step in steps(events) for row in step.rows) == list(range(16))
    first = steps(events)[0]
    assert float.fromhex(first.loss_hex) == first.loss
    assert first.num_supervised < first.num_tokens
    assert steps(events)[-1].loss != first.loss


def test_train_clears_its_own_unfinished_work_only(rig: Rig) -> None:
    rig.checkpoints.mkdir()
    mine, others = ".tmp-step-00000009-000001", [".tmp-step-00000009-000007", ".tmp-purge-step-00000001-000001"]
    for name in [mine, *others]:
        (rig.checkpoints / name).mkdir()
    rig.train()
    assert sorted(path.name for path in rig.checkpoints.glob(".tmp-*")) == sorted(others)


def test_resume_at_every_step_gives_the_losses_of_the_unbroken_run(rig: Rig) -> None:
    unbroken = losses(rig.train())
    start: CheckpointSaved | None = None
    chain: list[str] = []
    while len(chain) < len(unbroken):
        trainer = rig.trainer()
        trainer.assign(rig.assignment(start))

        def stop_after_one_step(trainer: Trainer = trainer) -> None:
            if steps(trainer.events()):
                trainer.commands.was_signalled = True

        trainer.run_to_end(stop_after_one_step)
        chain += losses(trainer.events())
        start = saved(trainer.events())[-1]
    assert chain == unbroken


def test_resume_in_another_attempt_equals_when_dropout_and_epochs_are_on(rig: Rig) -> None:
    chosen = settings(lora_dropout=0.3, num_train_epochs=2, save_steps=3)
    unbroken = rig.train(settings=chosen)
    assert len(losses(unbroken)) == 8
    for checkpoint in saved(unbroken)[:-1]:
        resumed = rig.train(checkpoint, settings=chosen)
        assert losses(resumed) == losses(unbroken)[checkpoint.job_step :]


def test_save_steps_are_kept_exactly_when_they_are_few(rig: Rig) -> None:
    events = rig.train(settings=settings(save_steps=2, gradient_accumulation_steps=2))
    assert [event.global_step for event in saved(events)] == [2, 4, 6, 8]
    assert all(Path(event.path).name == f"step-{event.global_step:08d}-000001" for event in saved(events))


def test_due_work_comes_in_order_checkpoint_evaluation_sample(rig: Rig) -> None:
    chosen = settings(eval_steps=2, sample_steps=2, save_steps=2, sample_max_new_tokens=2)
    events = rig.train(settings=chosen, **_with_validation(rig))
    assert _words(events) == [
        "evaluated 0",
        "sampled 0",
        "step 1",
        "step 2",
        "saved 2",
        "evaluated 2",
        "sampled 2",
        "step 3",
        "step 4",
        "saved 4",
        "evaluated 4",
        "sampled 4",
        "JobFinished",
        "Exiting",
    ]
    evaluations = [event for event in events if isinstance(event, Evaluated)]
    assert all(event.validation_id == "v1" for event in evaluations)
    assert all(event.gap == pytest.approx(event.validation_loss - event.train_loss) for event in evaluations)
    assert evaluations[-1].train_loss < evaluations[0].train_loss


def test_evaluations_and_samples_change_no_loss(rig: Rig) -> None:
    plain = losses(rig.train(settings=settings(lora_dropout=0.2)))
    busy = settings(lora_dropout=0.2, eval_steps=1, sample_steps=1, save_steps=1, sample_max_new_tokens=3)
    assert losses(rig.train(settings=busy, **_with_validation(rig))) == plain


def test_due_work_that_is_not_recorded_is_done_first_and_no_step_repeated(rig: Rig) -> None:
    chosen = settings(eval_steps=2, sample_steps=2, save_steps=2, sample_max_new_tokens=2)
    validation = _with_validation(rig)
    second = saved(rig.train(settings=chosen, **validation))[0]
    events = rig.train(second, settings=chosen, **validation, evaluated_at_step=2, sampled_at_step=0)
    assert _words(events)[:3] == ["sampled 2", "step 3", "step 4"]
    events = rig.train(second, settings=chosen, **validation, evaluated_at_step=0, sampled_at_step=2)
    assert _words(events)[:3] == ["evaluated 2", "step 3", "step 4"]


def test_a_file_whose_last_step_is_saved_is_only_evaluated_and_finished(rig: Rig) -> None:
    validation = _with_validation(rig)
    last = saved(rig.train(**validation))[-1]
    assert _words(rig.train(last, **validation, evaluated_at_step=4)) == ["sampled 4", "JobFinished", "Exiting"]


def test_validation_above_train_is_a_positive_gap(rig: Rig) -> None:
    folder = rig.root / "hard"
    hard = [([tokens[0], *reversed(tokens[1:])], marks) for tokens, marks in random_rows(5, seed=11)]
    write_token_store(folder, hard)
    chosen = settings(num_train_epochs=4, learning_rate=5e-2)
    events = rig.train(settings=chosen, validation_folder=str(folder), validation_id="hard")
    last = [event for event in events if isinstance(event, Evaluated)][-1]
    assert last.validation_loss > last.train_loss
    assert last.gap > 0


def test_heldout_rows_get_a_loss_of_their_own(rig: Rig) -> None:
    write_token_store(rig.root / "heldout", random_rows(3, seed=8))
    events = rig.train(heldout_folder=str(rig.root / "heldout"))
    last = [event for event in events if isinstance(event, Evaluated)][-1]
    assert last.heldout_loss is not None
    assert last.validation_loss is None
    assert last.gap is None


# ---- pause, stop, skip ---------------------------------------------------------------------------------------


def test_pause_within_a_step_saves_the_last_full_one_and_changes_no_loss(rig: Rig) -> None:
    chosen = settings(token_budget=1)  # four micro-batches a step
    unbroken = losses(rig.train(settings=chosen))
    trainer = rig.trainer()
    assignment = rig.assignment(settings=chosen)
    trainer.assign(assignment)
    looks = 0

    def pause_in_the_third_step() -> None:
        nonlocal looks
        words = _words(trainer.events())
        if "step 2" not in words or "Resumed" in words:
            return
        looks += 1
        if looks == 3:
            trainer.say(Desired.PAUSE, assignment)
        elif "Paused" in words:
            trainer.say(Desired.RUN, assignment)

    trainer.run_to_end(pause_in_the_third_step)
    words = _words(trainer.events())
    assert words[:6] == ["step 1", "step 2", "saved 2", "Paused", "Resumed", "step 3"]
    assert losses(trainer.events()) == unbroken
    phases = [event.phase for event in trainer.events() if isinstance(event, PhaseChanged)]
    assert phases.count("training") == 2  # said again after the pause


def test_pause_holds_inside_an_evaluation(rig: Rig) -> None:
    trainer = rig.trainer()
    assignment = rig.assignment(settings=settings(token_budget=1), **_with_validation(rig))
    trainer.assign(assignment)

    def pause_in_the_evaluation() -> None:
        phases = [event.phase for event in trainer.events() if isinstance(event, PhaseChanged)]
        words = _words(trainer.events())
        if phases[-1:] == ["evaluating"] and "Paused" not in words:
            trainer.say(Desired.PAUSE, assignment)
        elif "Paused" in words and "Resumed" not in words:
            trainer.say(Desired.RUN, assignment)

    trainer.run_to_end(pause_in_the_evaluation)
    assert _words(trainer.events())[:3] == ["Paused", "Resumed", "evaluated 0"]


def test_stop_within_a_step_drops_it_saves_and_ends(rig: Rig) -> None:
    unbroken = losses(rig.train(settings=settings(token_budget=1)))
    trainer = rig.trainer()
    assignment = rig.assignment(settings=settings(token_budget=1))
    trainer.assign(assignment)
    looks = 0

    def stop_in_the_second_step() -> None:
        nonlocal looks
        looks += "step 1" in _words(trainer.events())
        if looks == 3:
            trainer.say(Desired.STOP, assignment)

    assert trainer.run_to_end(stop_in_the_second_step) == "stop"
    assert _words(trainer.events()) == ["step 1", "saved 1", "JobLeft", "Exiting"]
    left = next(event for event in trainer.events() if isinstance(event, JobLeft))
    assert (left.reason, left.global_step, left.job_step) == ("stop", 1, 1)
    rest = rig.train(saved(trainer.events())[-1], settings=settings(token_budget=1))
    assert losses(trainer.events()) + losses(rest) == unbroken


def test_stop_inside_an_evaluation_leaves_it_unrecorded(rig: Rig) -> None:
    trainer = rig.trainer()
    trainer.assign(rig.assignment(settings=settings(token_budget=1), **_with_validation(rig)))

    def stop_in_the_evaluation() -> None:
        phases = [event.phase for event in trainer.events() if isinstance(event, PhaseChanged)]
        if phases[-1:] == ["evaluating"]:
            trainer.say(Desired.STOP, None)

    trainer.run_to_end(stop_in_the_evaluation)
    assert _words(trainer.events()) == ["JobLeft", "Exiting"]  # step 0 needs no checkpoint: the seed gives it


def test_stop_file_ends_training_without_a_service(rig: Rig) -> None:
    trainer = rig.trainer()
    trainer.assign(rig.assignment())

    def write_stop_file() -> None:
        if "step 2" in _words(trainer.events()):
            (rig.root / ".stop").touch()

    assert trainer.run_to_end(write_stop_file) == "stop_file"
    left = next(event for event in trainer.events() if isinstance(event, JobLeft))
    assert left.reason == "stop_file"
    assert _words(trainer.events()) == ["step 1", "step 2", "saved 2", "JobLeft", "Exiting"]


def test_stop_file_ends_an_idle_trainer(rig: Rig) -> None:
    (rig.root / ".stop").touch()
    assert rig.trainer().run_to_end() == "stop_file"


def test_another_turn_means_leave_this_one_saved(rig: Rig) -> None:
    trainer = rig.trainer()
    trainer.assign(rig.assignment())

    def take_it_away() -> None:
        if _words(trainer.events())[-1:] == ["step 1"]:
            trainer.say(Desired.RUN, None)

    trainer.run_to_end(take_it_away)
    left = next(event for event in trainer.events() if isinstance(event, JobLeft))
    assert (left.reason, left.turn, left.global_step) == ("skip", 1, 1)
    assert "saved 1" in _words(trainer.events())


def test_control_with_an_older_number_is_ignored(rig: Rig) -> None:
    trainer = rig.trainer()
    trainer.say(Desired.RUN, None)
    trainer.say(Desired.RUN, rig.assignment())

    def play_an_old_one() -> None:
        if "step 1" in _words(trainer.events()):
            old = Control(seq=1, desired=Desired.STOP)
            commit_file(trainer.spool / "control.json", msgspec.json.encode(old))

    trainer.run_to_end(play_an_old_one)
    assert "JobFinished" in _words(trainer.events())


# ---- requests ------------------------------------------------------------------------------------------------


def test_requests_are_carried_out_once_at_the_next_step_boundary(rig: Rig) -> None:
    trainer = rig.trainer()
    assignment = rig.assignment(settings=settings(sample_max_new_tokens=2), **_with_validation(rig))
    kinds = ("save", "evaluate", "sample", "dance")
    requests = [Request(request_id=kind, kind=kind) for kind in kinds]
    trainer.assign(assignment)

    def ask_after_the_first_step() -> None:
        if _words(trainer.events())[-1:] == ["step 1"]:
            trainer.assign(assignment, requests)

    trainer.run_to_end(ask_after_the_first_step)
    done = [event for event in trainer.events() if isinstance(event, RequestDone)]
    assert [event.request_id for event in done] == list(kinds)
    assert [event.error is None for event in done] == [True, True, True, False]
    words = _words(trainer.events())
    assert words[2:7] == ["step 1", "step 2", "saved 2", "evaluated 2", "sampled 2"]
    asked = [event.request_id for event in trainer.events() if isinstance(event, (Evaluated, Sampled))]
    assert asked == ["", "", "evaluate", "sample", "", ""]


def test_requests_without_a_file_are_refused(rig: Rig) -> None:
    trainer = rig.trainer()
    trainer.say(Desired.RUN, None, [Request(request_id="r", kind="sample")])

    def stop_when_answered() -> None:
        trainer.commands.was_signalled = any(isinstance(event, RequestDone) for event in trainer.events())

    trainer.run_to_end(stop_when_answered)
    answer = next(event for event in trainer.events() if isinstance(event, RequestDone))
    assert answer.error is not None
    assert answer.error.code == "conflict"


# ---- warm files ----------------------------------------------------------------------------------------------


def test_second_file_starts_warm_with_the_losses_of_a_cold_start(rig: Rig) -> None:
    write_token_store(rig.root / "second", random_rows(8, seed=4))
    trainer = rig.trainer()
    trainer.assign(rig.assignment())
    second = {"job_id": 2, "tokens_folder": str(rig.root / "second"), "job_step": 0}

    def hand_over_the_second() -> None:
        events = trainer.events()
        if isinstance(events[-1], PhaseChanged) and events[-1].phase == "idle" and saved(events):
            trainer.commands.script = lambda: None
            trainer.assign(rig.assignment(saved(events)[-1], **second))
            trainer.commands.script = end_with_the_second

    def end_with_the_second() -> None:
        finished = [event for event in trainer.events() if isinstance(event, JobFinished)]
        trainer.commands.was_signalled = len(finished) == 2

    trainer.commands.script = hand_over_the_second
    trainer.recipe.run()
    warm = [step for step in steps(trainer.events()) if step.job_id == 2]
    assert [event.warm for event in trainer.events() if isinstance(event, JobStarted)] == [False, True]
    assert [step.global_step for step in warm] == [5, 6]
    cold = rig.train(saved(trainer.events())[0], **second)
    assert [step.loss_hex for step in warm] == losses(cold)
    assert warm[0].learning_rate == steps(trainer.events())[0].learning_rate  # the schedule starts again


def test_a_checkpoint_that_is_not_in_memory_is_loaded(rig: Rig) -> None:
    first = saved(rig.train(settings=settings(save_steps=2)))
    wanted = losses(rig.train(first[0], settings=settings(save_steps=2)))
    trainer = rig.trainer()
    trainer.assign(rig.assignment(first[-1], settings=settings(save_steps=2)))

    def go_back() -> None:
        events = trainer.events()
        if isinstance(events[-1], PhaseChanged) and events[-1].phase == "idle" and "JobFinished" in _words(events):
            trainer.assign(rig.assignment(first[0], turn=2, settings=settings(save_steps=2)))
            trainer.commands.script = lambda: end(2)

    def end(number: int) -> None:
        trainer.commands.was_signalled = _words(trainer.events()).count("JobFinished") == number

    trainer.commands.script = go_back
    trainer.recipe.run()
    assert losses(trainer.events()) == wanted


# ---- what cannot be trained ----------------------------------------------------------------------------------


def test_missing_tokens_fail_the_job_and_the_trainer_lives(rig: Rig) -> None:
    trainer = rig.trainer()
    trainer.assign(rig.assignment(tokens_folder=str(rig.root / "nowhere")))
    assert trainer.run_to_end() == "stop"
    failed = next(event for event in trainer.events() if isinstance(event, JobFailed))
    assert failed.error.code == "damaged"
    assert "rows.jsonl" in failed.error.message


def test_a_folder_that_is_no_model_fails_the_job(rig: Rig) -> None:
    assignment = rig.assignment()
    empty = rig.root / "base" / "empty"
    empty.mkdir(parents=True)
    seal_folder(empty, {"kind": "base_model"})
    base = msgspec.structs.replace(assignment.base, folder=str(empty))
    trainer = rig.trainer()
    trainer.assign(msgspec.structs.replace(assignment, base=base))
    trainer.run_to_end()
    failed = next(event for event in trainer.events() if isinstance(event, JobFailed))
    assert failed.error.code == "model"


def test_damaged_checkpoint_ends_the_process(rig: Rig) -> None:
    checkpoint = saved(rig.train())[-1]
    path = Path(checkpoint.path) / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BadCheckpointError):
        rig.train(checkpoint, job_id=2, job_step=0)


def test_changed_rows_do_not_continue_a_checkpoint(rig: Rig) -> None:
    checkpoint = saved(rig.train(settings=settings(save_steps=2)))[0]
    write_token_store(rig.root / "other", random_rows(16, seed=77))
    with pytest.raises(BadAssignmentError, match="changed since step 2"):
        rig.train(checkpoint, tokens_folder=str(rig.root / "other"))


def test_budget_and_threads_follow_the_checkpoint_when_the_assignment_names_none(rig: Rig) -> None:
    measured = settings(token_budget=0, save_steps=2)
    events = rig.train(settings=measured, num_threads=0)
    started = next(event for event in events if isinstance(event, JobStarted))
    assert [event.reason for event in events if isinstance(event, BudgetChanged)] == ["measured"]
    resumed = rig.train(saved(events)[0], settings=measured, num_threads=0)
    again = next(event for event in resumed if isinstance(event, JobStarted))
    assert (again.token_budget, again.num_threads) == (started.token_budget, started.num_threads)
    assert not [event for event in resumed if isinstance(event, BudgetChanged)]
    assert losses(events)[2:] == losses(resumed)


def test_an_idle_trainer_ends_by_itself_when_nobody_tells_it_anything(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "_LONGER_THAN_THE_SERVICE_SECONDS", 0.0)
    trainer = rig.trainer()
    control = Control(seq=1, desired=Desired.RUN, assignment=rig.assignment(), idle_retire_seconds=0.05)
    commit_file(trainer.spool / "control.json", msgspec.json.encode(control))
    assert trainer.recipe.run() == "idle", "after its file, which it trained to the end"
    assert _words(trainer.events())[-2:] == ["JobFinished", "Exiting"]
