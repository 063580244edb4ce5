"""`search`: the best arguments of a model, trial by trial, through kills and failures."""

import contextlib
import inspect
import math
import os
import time

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.tuning import chief
from keras_nlp_lite.tuning.clock import Clock, seconds_of
from keras_nlp_lite.tuning.folder import (
    alone_in,
    check_settings,
    open_folder,
    settings_of,
    tidy,
)
from keras_nlp_lite.tuning.grid import check_grid
from keras_nlp_lite.tuning.hparams import SearchBoard
from keras_nlp_lite.tuning.kt import keras_tuner
from keras_nlp_lite.tuning.objectives import objectives_of
from keras_nlp_lite.tuning.oracles import (
    SEVERAL,
    TUNERS,
    oracle_class,
    short,
)
from keras_nlp_lite.tuning.progress import Progress
from keras_nlp_lite.tuning.result import SearchResult
from keras_nlp_lite.tuning.space import Space, as_hypermodel, declared
from keras_nlp_lite.tuning.trial_run import RESULT, TrialRun

_MOST_FAILURES = 5  # in a row, after which it is not the trials' fault


def search(
    space,
    train,
    val=None,
    *,
    objective,
    direction,
    tuner="random",
    max_trials=20,
    directory="runs/search",
    epochs=10,
    executions=1,
    budget=None,
    early_stop=True,
    seed=0,
    keep="best",
    overwrite=False,
    callbacks=None,
    tensorboard=True,
    verbose=1,
):
    """Looks for the arguments with which a model does best.

    Each trial is a fresh model, trained from its start. The first has the space's
    defaults (and all epochs, with "hyperband", too), so that what is found is no worse
    than these, as far as `val` tells. What
    is finished stands in `directory`: started again with the same arguments, a search
    that was killed goes on with the trial that it was in. A trial that has ended its
    process twice counts as failed.

    With texts in lists or arrays, what a search finds is the same whether it was broken
    off or not. A Dataset that shuffles, as `data.read_directory` gives it for training,
    goes on from trial to trial with new orders of its own, and begins again when the
    script does: a search that was broken off then finds other figures than one that was
    not. Give lists, or a Dataset in a fixed order (shuffle=False, of mixed examples),
    where the figures must be the same.

    Several processes share a search as KerasTuner's chief and workers: the same script,
    started with KERASTUNER_TUNER_ID ("chief", or any other name), KERASTUNER_ORACLE_IP
    and KERASTUNER_ORACLE_PORT in the environment, and a `directory` that all can see. The
    chief ends a few seconds after its last worker; one that was killed in a trial it
    waits for, until it is started again under its name.

    Args:
        space: What `tuning.space` gives; or a KerasTuner HyperModel, or a function of
            KerasTuner's HyperParameters that returns a compiled model.
        train: Training data as `fit` takes it; a tuple (texts, labels) for lists.
        val: Validation data, alike.
        objective: What trials are judged by: a name in `fit`'s logs, at its best epoch,
            such as "val_accuracy"; or "latency" (milliseconds a text), "size" (MB of
            the model's file without its optimizer), "parameters" or "seconds"; or a
            list of them.
        direction: "max" or "min"; a list of them for several objectives.
        tuner: "random"; "grid", every combination; "bayesian", which learns where to
            look; "hyperband", which gives few epochs to many and more to the best.
        max_trials: How many trials, failed ones included; None for no end but the
            tuner's or the budget's.
        directory: Folder of the search.
        epochs: The most epochs of a trial, where the space does not say it.
        executions: Trainings of each trial, from different seeds; their mean counts.
        budget: Time for the whole search, as "30m", "1.5h", "90s" or seconds: then no
            trial begins any more, and the running one ends with the batch it is at. What
            earlier processes took counts.
        early_stop: Whether a trial ends when three epochs in a row were no better; or
            int, how many.
        seed: Of the search and of all trials.
        keep: "best" keeps the models of the best trials only, which are those of the
            Pareto front; "all" all.
        overwrite: Whether another search in `directory` may go.
        callbacks: Function of no arguments that makes more Keras callbacks for a trial.
        tensorboard: Whether curves and hyperparameters are written for TensorBoard, into
            `tensorboard` under `directory`.
        verbose: 0 to say nothing.

    Returns:
        `SearchResult`.

    Raises:
        ValueError: an argument will not do, or `directory` holds another search; or the
            objective is not in the logs; or five trials in a row failed; or a worker
            has no chief, or a chief no workers any more.

    Example:

    >>> import tempfile, keras_nlp_lite as knl
    >>> texts, labels = ["good", "not good", "bad", "not bad"] * 4, [1, 0, 0, 1] * 4
    >>> space = knl.tuning.space(
    ...     knl.models.BagOfNgramsClassifier,
    ...     num_classes=2,
    ...     defaults=False,
    ...     ngrams=[1, 2],
    ...     learning_rate=[0.1],
    ... )
    >>> result = search(
    ...     space,
    ...     (texts, labels),
    ...     (texts, labels),
    ...     tuner="grid",
    ...     objective="val_accuracy",
    ...     direction="max",
    ...     directory=tempfile.mkdtemp(),
    ...     epochs=20,
    ...     early_stop=False,
    ...     verbose=0,
    ... )
    >>> result.best_trial().values, result.best_score
    ({'ngrams': 2}, 1.0)
    >>> model = result.best_model()
    """
    check_choice("tuner", tuner, TUNERS)
    check_choice("keep", keep, ("best", "all"))
    check_positive_int("max_trials", max_trials, none_ok=True)
    check_positive_int("epochs", epochs)
    check_positive_int("executions", executions)
    seconds, patience = seconds_of(budget), patience_of(early_stop)
    objectives = objectives_of(objective, direction)
    if callbacks is not None and (
        not callable(callbacks) or inspect.isclass(callbacks)
    ):
        raise ValueError(
            "`callbacks` must be a function that makes new ones for each trial. "
            f"Received: {callbacks!r}. Try callbacks=lambda: [...]."
        )
    hypermodel = as_hypermodel(space)
    if isinstance(hypermodel, Space):
        hypermodel.learn_from(train)
    hps = declared(hypermodel)
    if tuner == "grid":
        check_grid(hps, max_trials)
    directory = os.fspath(directory)
    role = chief.role()
    settings = settings_of(
        hypermodel,
        hps,
        objectives,
        val,
        tuner=tuner,
        epochs=epochs,
        executions=executions,
        early_stop=patience,
        seed=seed,
    )
    with alone_in(directory, role):
        if role != "worker":
            open_folder(directory, settings, overwrite)
        clock = Clock(directory, seconds)
        oracle = oracle_class(tuner)(
            objectives,
            directory,
            clock=clock,
            hyperparameters=hps,
            max_trials=max_trials,
            seed=1 + seed % (2**32 - 1),  # KerasTuner takes 0 for none
            **({"epochs": epochs} if tuner == "hyperband" else {}),
        )
        if role == "worker":
            oracle = chief.oracle_of_chief(oracle)
            oracle.get_space()  # waits for the chief, and so for its folder
            check_settings(directory, settings)
            clock = Clock(directory, seconds)  # the chief has begun it anew, perhaps
        else:
            if not oracle.reload():
                oracle.save()
            oracle.after_end = lambda: tidy(oracle, directory, keep)
        board = None
        if tensorboard:
            board = SearchBoard(directory, hps, [o.name for o in objectives])
            if role != "worker":
                board.declare()
        progress = Progress(
            objectives,
            None if role == "worker" else max_trials,  # of which others run some
            [h.name for h in hps.space],
            verbose,
        )
        if role != "worker":
            _tell_earlier(oracle, progress, settings["title"], tuner)
        run = TrialRun(
            hypermodel=hypermodel,
            train=train,
            val=val,
            objectives=objectives,
            directory=directory,
            epochs=epochs,
            executions=executions,
            patience=patience,
            seed=seed,
            callbacks=callbacks,
            board=board,
            deadline=clock.deadline(),
        )
        # The chief keeps count of its workers' time.
        with contextlib.nullcontext() if role == "worker" else clock.running():
            if role == "chief":
                chief.serve(oracle)
            else:
                _work(oracle, run, progress)
    result = SearchResult(directory)
    if role != "worker":
        progress.closing(result)
    return result


def _work(oracle, run, progress):
    """Runs trials until the oracle has no more."""
    status = keras_tuner.engine.trial.TrialStatus
    several = len(run.objectives) > 1
    failures = []
    while True:
        trial = oracle.create_trial(chief.tuner_id())
        if trial.status == status.STOPPED:
            return
        if trial.status == status.IDLE:
            time.sleep(0.2)  # others have to end their trials first
            continue
        values = trial.hyperparameters.values
        trial.hyperparameters.values = {k: short(v) for k, v in values.items()}
        try:
            result = run.run(trial)
        except BaseException:
            trial.status = status.INVALID  # given back: a chief need not wait for it
            oracle.end_trial(trial)
            raise
        metrics, trial.message = result["metrics"], result["message"]
        if metrics is None:
            trial.status = status.FAILED
        else:
            extra = {SEVERAL: 0.0} if several else {}
            oracle.update_trial(trial.trial_id, {**metrics, **extra})
            trial.status = status.COMPLETED
        oracle.end_trial(trial)
        progress.ended(trial.trial_id, result)
        failures = [*failures, trial.message] if metrics is None else []
        if len(failures) == _MOST_FAILURES:
            raise ValueError(
                f"{_MOST_FAILURES} trials in a row failed, the last with: "
                f"{failures[-1]} Their tracebacks are in {run.directory!r}, in "
                f"trial_*/{RESULT}. A search that is started again goes on."
            )


def _tell_earlier(oracle, progress, title, tuner):
    """Opens the progress, and counts what earlier processes have finished."""
    done = [t for t in oracle.trials.values() if t.status in ("COMPLETED", "FAILED")]
    full = len(done) == len(oracle.trials) >= (oracle.max_trials or math.inf)
    progress.opening(title, tuner, len(done), full or oracle.clock.out_of_time())
    first = progress.objectives[0].name
    for trial in done:
        well = trial.status == "COMPLETED"
        best = {first: trial.metrics.get_best_value(first)} if well else None
        progress.note(trial.trial_id, best)


def patience_of(early_stop):
    """int, epochs without a better one after which a trial ends; None for no such end.

    Raises:
        ValueError: `early_stop` is neither a bool nor at least 1.
    """
    if isinstance(early_stop, bool):
        return 3 if early_stop else None
    check_positive_int("early_stop", early_stop)
    return early_stop
