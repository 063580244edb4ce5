"""The same spaces on Ray Tune: trials side by side, on this machine or on a cluster."""

import contextlib
import importlib
import math
import os
import shutil
import sys

import numpy as np

from keras_nlp_lite.checks import check_choice, check_positive, check_positive_int
from keras_nlp_lite.data.raw_batches import raw_batches
from keras_nlp_lite.tuning.clock import seconds_of
from keras_nlp_lite.tuning.folder import RAY, alone_in, open_folder, settings_of
from keras_nlp_lite.tuning.grid import grid_points
from keras_nlp_lite.tuning.objectives import MEASURES, objectives_of
from keras_nlp_lite.tuning.oracles import STATE
from keras_nlp_lite.tuning.ranges import Fixed
from keras_nlp_lite.tuning.ray_trial import LOGS, train_on_ray
from keras_nlp_lite.tuning.result import SearchResult
from keras_nlp_lite.tuning.space import Space, as_hypermodel, declared
from keras_nlp_lite.tuning.trial_run import (
    MODEL,
    RESULT,
    read_json,
    trial_folder,
    write_json,
)

# What may change while a model trains: nothing that it is made of.
_MUTABLE = ("learning_rate", "weight_decay", "batch_size")


def search_on_ray(
    space,
    train,
    val,
    *,
    objective,
    direction,
    scheduler="asha",
    max_trials=20,
    directory="runs/ray",
    epochs=10,
    address=None,
    cpus=1,
    gpus=0,
    perturb_every=1,
    budget=None,
    seed=0,
    overwrite=False,
    verbose=1,
):
    """Looks for the best arguments on Ray Tune, with many trials at once.

    The first trial begins with the space's defaults. Unlike `search`'s it may not keep
    to them: "asha" may end it early, and "pbt" move its rate. A search that was broken
    off goes on, if it is started with the same arguments.

    Args:
        space: As in `search`; what varies becomes Ray's search space.
        train, val: Data as `fit` takes it, which ends. It is sent to the workers as
            texts and labels.
        objective: A name in `fit`'s logs; Ray follows one.
        direction: "max" or "min".
        scheduler: "asha" ends trials early that are behind others after as many epochs;
            "pbt", population-based training, has `max_trials` models train together,
            and now and then a bad one goes on from a good one's weights, with another
            learning rate, weight decay or batch size.
        max_trials: How many trials; for "pbt" the size of the population.
        directory: Folder of the search. On a cluster, one that all machines see.
        epochs: The most epochs of a trial.
        address: Of a Ray cluster, such as "10.0.0.1:6379", "ray://10.0.0.1:10001" or
            "auto". None: one that is started on this machine, and ends with the search.
        cpus, gpus: Of each trial; parts of a GPU are fine.
        perturb_every: For "pbt", epochs between two looks at the population.
        budget: As in `search`; trials that still run are ended.
        seed: Of the search.
        overwrite: Whether another search in `directory` may go.
        verbose: 0 to say nothing; else as Ray has it.

    Returns:
        `SearchResult`.

    Raises:
        ValueError: an argument will not do, or `directory` holds another search, or
            another process searches in it.
        ImportError: Ray is not installed.

    Example:

    >>> result = search_on_ray(  # doctest: +SKIP
    ...     space,
    ...     train,
    ...     val,
    ...     objective="val_accuracy",
    ...     direction="max",
    ...     scheduler="pbt",
    ...     max_trials=8,
    ...     address="auto",
    ...     gpus=1,
    ... )
    >>> result.best_model()  # doctest: +SKIP
    """
    check_choice("scheduler", scheduler, ("asha", "pbt"))
    for name, value in (("max_trials", max_trials), ("epochs", epochs)):
        check_positive_int(name, value)
    check_positive("cpus", cpus)
    seconds = seconds_of(budget)
    one = objectives_of(objective, direction)[0]
    if not isinstance(objective, str) or one.name in MEASURES:
        raise ValueError(
            "Ray follows one objective, which `fit` logs. Received: "
            f"objective={objective!r}. Try `search` for others, and for several."
        )
    hypermodel = _to_send(as_hypermodel(space), scheduler)
    hps = declared(hypermodel)
    tune = _ray("ray.tune")
    directory = os.path.abspath(directory)
    train, val = _texts_and_labels(train), _texts_and_labels(val)
    domains = {hp.name: _domain(tune, hp) for hp in hps.space}
    trainable = tune.with_resources(
        tune.with_parameters(
            train_on_ray,
            hypermodel=hypermodel,
            space=hps.get_config(),
            train=train,
            val=val,
            objective=one,
            epochs=epochs,
            seed=seed,
            threads=max(1, int(cpus)),
        ),
        {"cpu": cpus, "gpu": gpus},
    )
    settings = settings_of(
        hypermodel,
        hps,
        (one,),
        val,
        tuner=scheduler,
        # Ray goes on with what a search began with, whatever is said later.
        max_trials=max_trials,
        epochs=epochs,
        perturb_every=perturb_every,
        budget=seconds,
        seed=seed,
    )
    with alone_in(directory, "alone"), _cluster(address, verbose):
        open_folder(directory, settings, overwrite)
        path = os.path.join(directory, RAY)
        if tune.Tuner.can_restore(path):
            tuner = tune.Tuner.restore(path, trainable, resume_errored=True)
        else:
            tuner = tune.Tuner(
                trainable,
                param_space=domains,
                tune_config=tune.TuneConfig(
                    metric=one.name,
                    mode=one.direction,
                    num_samples=max_trials,
                    scheduler=_scheduler(
                        tune, scheduler, domains, epochs, perturb_every
                    ),
                    search_alg=_generator(hps, seed),
                    time_budget_s=seconds,
                ),
                run_config=tune.RunConfig(
                    name=RAY, storage_path=directory, verbose=verbose
                ),
            )
        _write_down(directory, tuner.fit(), one)
    return SearchResult(directory)


def _to_send(hypermodel, scheduler):
    """The hypermodel, without what cannot be sent to other processes."""
    if not isinstance(hypermodel, Space):
        if scheduler == "pbt":
            raise ValueError(
                "Population-based training has to know which arguments may change while "
                "a model trains. Received: a function or HyperModel. Try a space of "
                "tuning.space(...), or scheduler='asha'."
            )
        return hypermodel
    ranges = dict(hypermodel.ranges)
    if scheduler == "pbt":
        if not set(_MUTABLE) & set(hypermodel.varied()):
            raise ValueError(
                f"Population-based training varies one of {', '.join(_MUTABLE)}. "
                f"Received: a space in which {', '.join(hypermodel.varied()) or 'none'} "
                "varies. Try learning_rate=(1e-4, 1e-2, 'log')."
            )
        # The population is what moves the rate.
        ranges |= {"schedule": Fixed("constant"), "warmup": Fixed(0.0)}
    corpus = hypermodel.vocabularies.corpus
    return Space(
        hypermodel.model,
        ranges,
        preset=hypermodel.preset,
        corpus=None if corpus is None else _texts_and_labels(corpus),
    )


def _texts_and_labels(data):
    """Data that can be sent: a tuple of arrays, whatever `fit` takes."""
    if isinstance(data, tuple):
        return data
    batches = list(raw_batches(data).as_numpy_iterator())
    if isinstance(batches[0], tuple):
        return tuple(np.concatenate(part) for part in zip(*batches))
    return (np.concatenate(batches),)


def _domain(tune, hp):
    """What Ray takes in the place of a KerasTuner hyperparameter."""
    kind = type(hp).__name__
    if kind == "Fixed":
        return hp.value
    if kind == "Choice":
        return tune.choice(list(hp.values))
    if kind == "Boolean":
        return tune.choice([False, True])
    if hp.step is not None and not (kind == "Int" and hp.step == 1):
        return tune.choice(sorted(grid_points(hp)))
    log = hp.sampling == "log"
    if kind == "Int":
        draw = tune.lograndint if log else tune.randint
        return draw(hp.min_value, hp.max_value + 1)
    return (tune.loguniform if log else tune.uniform)(hp.min_value, hp.max_value)


def _generator(hps, seed):
    """Random values, after the defaults."""
    generator = _ray("ray.tune.search.basic_variant").BasicVariantGenerator
    first = {hp.name: hp.default for hp in hps.space if type(hp).__name__ != "Fixed"}
    return generator(points_to_evaluate=[first], random_state=seed)


def _scheduler(tune, scheduler, domains, epochs, perturb_every):
    schedulers = _ray("ray.tune.schedulers")
    if scheduler == "asha":
        return schedulers.ASHAScheduler(
            time_attr="epoch", max_t=epochs, grace_period=1, reduction_factor=3
        )
    mutable = {}
    for name in _MUTABLE:
        domain = domains.get(name)
        if domain is not None:
            categories = getattr(domain, "categories", None)
            mutable[name] = domain if categories is None else list(categories)
    return schedulers.PopulationBasedTraining(
        time_attr="epoch",
        perturbation_interval=perturb_every,
        hyperparam_mutations=mutable,
        # A few models need more than Ray's quarter to learn from one another.
        quantile_fraction=0.34,
    )


@contextlib.contextmanager
def _cluster(address, verbose):
    """Connects to a cluster, or starts one here, which ends with the block."""
    ray = _ray("ray")
    if ray.is_initialized():
        yield
        return
    if address is not None:
        ray.init(address=address, log_to_driver=bool(verbose))
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray's processes work in folders of their own: they find what this one finds.
        here = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        ray.init(
            include_dashboard=False,
            log_to_driver=bool(verbose),
            logging_level="ERROR",
            runtime_env={"env_vars": {"PYTHONPATH": here}},
        )
    try:
        yield
    finally:
        ray.shutdown()


def _write_down(directory, found, objective):
    """Writes what Ray found as `search` would have: `SearchResult` reads it."""
    trials = {}
    best = None
    # By their folders, which are numbered: a search that went on mixes them up.
    for number, one in enumerate(sorted(found, key=lambda one: one.path)):
        name = f"{number:02d}"
        folder = trial_folder(directory, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        logs = [] if one.checkpoint is None else _logs(one.checkpoint)
        told = {
            "metrics": None,
            "epochs": [len(logs)],
            "seconds": float((one.metrics or {}).get("time_total_s", 0.0)),
            "cut_short": False,
            "message": None if one.error is None else str(one.error).splitlines()[-1],
        }
        logs = [epoch for epoch in logs if math.isfinite(epoch[objective.name])]
        if one.error is None and not logs:
            told["message"] = f"{objective.name} was finite after no epoch."
        if one.error is None and logs:
            told["metrics"] = max(
                logs, key=lambda epoch: -objective.sign * epoch[objective.name]
            )
            value = told["metrics"][objective.name]
            if objective.better(value, best and best[0]):
                best = value, folder, one.checkpoint
        write_json(os.path.join(folder, RESULT), told)
        trials[name] = {
            "trial_id": name,
            "status": "FAILED" if told["metrics"] is None else "COMPLETED",
            "hyperparameters": {"values": dict(one.config)},
        }
    if best is not None:
        with best[2].as_directory() as kept:
            shutil.copy(os.path.join(kept, MODEL), os.path.join(best[1], MODEL))
    write_json(os.path.join(directory, STATE), {"trials": trials})


def _logs(checkpoint):
    with checkpoint.as_directory() as folder:
        return read_json(os.path.join(folder, LOGS)) or []


def _ray(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            "This search takes Ray Tune, which is not installed. Try "
            "`pip install keras-nlp-lite[ray]`."
        ) from error
