"""Searches: what they try, find, show and refuse."""

import gc
import json
import os

import keras
import keras_tuner
import numpy as np
import pytest

from keras_nlp_lite import models, tuning
from keras_nlp_lite.tuning.grid import GridOracle
from keras_nlp_lite.tuning.objectives import numbers_of, objectives_of
from tests.tuning.small import (
    LABELS,
    TEXTS,
    points,
    regression,
    search,
    search_texts,
    values_of,
)


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_every_tuner_tries_as_many_as_it_may_and_begins_with_the_defaults(
    tuner, tmp_path
):
    result = search(tmp_path, tuner=tuner, max_trials=6)
    assert [t.status for t in result.trials] == ["COMPLETED"] * 6
    first = {k: v for k, v in result.trials[0].values.items() if "/" not in k}
    assert first == {"rate": 1e-3, "bias": "no", "scale": 1}
    assert len({json.dumps(v, sort_keys=True) for v in values_of(result)}) == 6
    assert result.best_score == min(t.metrics["val_loss"] for t in result.trials)


def test_a_grid_is_tried_as_a_whole_and_each_point_once(tmp_path):
    def space(hp):
        hp.Choice("a", [1, 2, 3])
        hp.Boolean("b")
        return regression(hp.copy())

    result = search(tmp_path, space, tuner="grid", max_trials=None, epochs=1)
    assert sorted((v["a"], v["b"]) for v in values_of(result)) == [
        (a, b) for a in (1, 2, 3) for b in (False, True)
    ]


def test_a_grid_of_more_points_than_trials_is_refused_with_its_size(tmp_path):
    with pytest.raises(ValueError, match=r"combinations \(rate 3, bias 2, scale 4\)"):
        search(tmp_path, tuner="grid", max_trials=5)


def test_hyperband_gives_the_best_more_epochs(tmp_path):
    result = search(
        tmp_path, tuner="hyperband", max_trials=10, epochs=9, early_stop=False
    )
    # The defaults have all of them: they may be as good as the rest gets.
    assert [t.epochs for t in result.trials] == [[9], *[[1]] * 9]
    more = search(
        tmp_path, tuner="hyperband", max_trials=11, epochs=9, early_stop=False
    )
    promoted = more.trials[10]
    assert promoted.epochs == [3]
    best = min(more.trials[1:10], key=lambda t: t.metrics["val_loss"])
    assert promoted.values["tuner/trial_id"] == best.trial_id


def test_a_grid_looks_at_each_point_once(tmp_path):
    class Counting(GridOracle):
        looked = 0

        def _duplicate(self, values):
            self.looked += 1
            return super()._duplicate(values)

        def save(self):
            pass

        def _save_trial(self, trial):
            pass

    oracle = Counting(objective=keras_tuner.Objective("a", "min"), max_trials=None)
    oracle.verbose = 0
    for name in "abc":
        oracle.hyperparameters.Int(name, 1, 3)
    for number in range(27):
        assert oracle.create_trial(str(number)).status == "RUNNING"
    assert oracle.looked == 27
    assert oracle.create_trial("more").status == "IDLE"


def test_the_best_model_is_that_of_the_best_epoch(tmp_path):
    class Spoiling(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = [0.1, 0.1, 1e3][epoch]

    result = search(tmp_path, callbacks=lambda: [Spoiling()], early_stop=False)
    loss = result.best_model().evaluate(*points(), verbose=0)
    assert loss == pytest.approx(result.best_score, rel=1e-5)
    assert result.best_trial().epochs == [3]


def test_only_the_best_trials_model_is_kept_unless_all_are_wanted(tmp_path):
    result = search(tmp_path / "best")
    kept = [t for t in result.trials if t.model_path]
    assert kept == [result.best_trial()]
    other = next(t for t in result.trials if not t.model_path)
    with pytest.raises(ValueError, match=r"Only the models of the best .* keep='all'"):
        result.model_of(other)
    result = search(tmp_path / "all", keep="all")
    assert all(t.model_path for t in result.trials)


def test_a_task_is_adapted_fitted_and_found_again_with_its_vocabulary(tmp_path):
    space = tuning.space(
        models.BagOfNgramsClassifier,
        num_classes=2,
        defaults=False,
        ngrams=[1, 2],
        learning_rate=0.1,
    )
    result = search_texts(space, tmp_path, tuner="grid", epochs=30, early_stop=False)
    model = result.best_model()
    assert [t.values for t in result.trials] == [{"ngrams": 1}, {"ngrams": 2}]
    accuracy = model.evaluate(TEXTS, LABELS, return_dict=True, verbose=0)["accuracy"]
    assert accuracy == result.best_score == 1.0
    assert model.predict(["not good"], verbose=0).shape == (1, 2)


def test_executions_are_averaged_over_seeds(tmp_path):
    result = search(tmp_path, executions=3, max_trials=1, keep="all")
    (trial,) = result.trials
    assert trial.epochs == [3, 3, 3]
    best = result.best_model().evaluate(*points(), verbose=0)
    assert best < trial.metrics["val_loss"]


def test_early_stopping_ends_a_trial_that_gets_no_better(tmp_path):
    def space(hp):
        hp.Boolean("a")
        model = regression(hp.copy())
        model.optimizer.learning_rate = 0.0
        return model

    settings = {"max_trials": 1, "epochs": 9}
    assert search(tmp_path / "a", space, **settings).trials[0].epochs == [4]
    result = search(tmp_path / "b", space, early_stop=1, **settings)
    assert result.trials[0].epochs == [2]
    result = search(tmp_path / "c", space, early_stop=False, **settings)
    assert result.trials[0].epochs == [9]


def test_no_number_is_worse_than_any_number():
    lowest = objectives_of("val_loss", "min")[0]
    assert lowest.better(3.0, float("nan")) and not lowest.better(float("nan"), 3.0)
    assert not lowest.better(float("nan"), None)


def test_an_objective_that_is_not_logged_ends_the_search_with_those_that_are(tmp_path):
    with pytest.raises(
        ValueError, match=r"'val_f1', which is not there; an epoch has loss, val_loss"
    ):
        search(tmp_path, objective="val_f1")


def test_one_unknown_objective_of_several_ends_the_search_with_a_guess(tmp_path):
    with pytest.raises(ValueError, match=r"objective='sise'.*Did you mean 'size'\?$"):
        search(tmp_path, objective=["val_loss", "sise"], direction=["min", "min"])
    (trial,) = tuning.SearchResult(tmp_path).trials
    assert trial.status == "RUNNING"  # no failure of its own


def test_an_objective_that_is_not_there_comes_with_what_to_try():
    logs = {"loss": 1.0, "val_loss": 2.0}
    with pytest.raises(ValueError, match=r"Did you mean 'val_loss'\?$"):
        numbers_of(logs, *objectives_of("val_los", "min"))
    with pytest.raises(ValueError, match=r"has loss\. Try to give `val`\.$"):
        numbers_of({"loss": 1.0}, *objectives_of("val_loss", "min"))


def test_metrics_that_are_vectors_are_left_out_and_no_objective(tmp_path):
    def space(hp):
        model = keras.Sequential(
            [keras.Input([2]), keras.layers.Dense(2, activation="softmax")]
        )
        f1 = keras.metrics.F1Score(average=None, name="f1")
        model.compile("sgd", "categorical_crossentropy", metrics=[f1], run_eagerly=True)
        return model

    x, y = points()
    data = x, np.hstack([y > 0, y <= 0]).astype("float32")
    settings = {"direction": "max", "max_trials": 1, "epochs": 1, "verbose": 0}
    result = tuning.search(
        *(space, data, data),
        objective="val_loss",
        directory=tmp_path / "loss",
        **settings,
    )
    assert "val_f1" not in result.best_trial().metrics
    with pytest.raises(ValueError, match=r"objective='val_f1', which is a vector"):
        tuning.search(
            *(space, data, data),
            objective="val_f1",
            directory=tmp_path / "f1",
            **settings,
        )


def test_size_is_that_of_the_model_without_its_optimizer(tmp_path):
    def space(hp):
        model = regression(hp)
        model.compile("adam", "mse", run_eagerly=True)
        return model

    settings = {"objective": ["size", "val_loss"], "direction": ["min", "min"]}
    result = search(tmp_path, space, max_trials=1, epochs=1, **settings)
    (trial,) = result.trials
    model = result.best_model()
    weights = sum(weight.numpy().nbytes for weight in model.weights) / 1e6
    file = os.path.getsize(trial.model_path) / 1e6
    assert weights < trial.metrics["size"] < file


def test_a_direction_must_be_said_for_each_objective(tmp_path):
    with pytest.raises(ValueError, match="a direction for each objective"):
        search(tmp_path, objective=["val_loss", "size"], direction="min")
    with pytest.raises(ValueError, match="`direction` must be one of 'max', 'min'"):
        search(tmp_path, direction="up")


def test_the_precision_policy_outlives_a_search(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        search(tmp_path, max_trials=1)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_each_trial_has_a_line_and_the_best_so_far(tmp_path, capsys):
    search(tmp_path, max_trials=2, verbose=1)
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0] == ("Search of regression: random, 2 trials, for val_loss (min).")
    assert lines[1].startswith("  1/2  trial 0  val_loss ")
    assert "rate=0.001 bias=no" in lines[1]
    assert all(len(line) <= 100 for line in lines)
    search(tmp_path, max_trials=3, verbose=1)
    said = capsys.readouterr().out
    assert "2 trials are done already; the search goes on." in said
    assert "\n  3/3  trial 2  val_loss " in said


def test_a_result_prints_as_a_table_of_the_trials_by_their_ids(tmp_path):
    settings = {"tuner": "hyperband", "epochs": 9, "early_stop": False, "keep": "all"}
    result = search(tmp_path, max_trials=2, **settings)
    lines = str(result.table()).splitlines()
    assert lines[0].strip() == "regression: 2 of 2 trials ended well"
    assert lines[2].replace("┃", " ").split() == [
        *("trial", "val_loss", "epochs", "seconds", "arguments")
    ]
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in lines[4:6]]
    shown = [
        [t.trial_id, f"{t.metrics['val_loss']:.4g}", str(*t.epochs)]
        for t in result.completed()
    ]
    assert rows == shown and {row[2] for row in rows} == {"9", "1"}
    assert "epochs" not in str(search(tmp_path / "even", max_trials=2).table())


def test_a_result_says_in_a_line_what_it_is(tmp_path):
    result = search(tmp_path, max_trials=2)
    best = (
        f"best val_loss {result.best_score:.4g} in trial {result.best_trial().trial_id}"
    )
    assert repr(result) == (
        f"SearchResult({str(tmp_path)!r}): regression, 2 of 2 trials ended well, {best}"
    )


def test_several_objectives_give_a_front_and_its_picture(tmp_path):
    def space(hp):
        width = hp.Choice("width", [1, 8, 64])
        rate = hp.Float("rate", 0.001, 0.1)  # so many that none is drawn twice
        model = keras.Sequential(
            [keras.Input([2]), keras.layers.Dense(width), keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.SGD(rate / width), "mse", run_eagerly=True)
        return model

    result = search(
        tmp_path,
        space,
        objective=["val_loss", "parameters", "latency", "size"],
        direction=["min", "min", "min", "min"],
        max_trials=6,
        tuner="bayesian",
    )
    front = result.pareto_front()
    names = [o.name for o in result.objectives]
    costs = np.array([[t.metrics[n] for n in names] for t in result.trials])
    for trial, cost in zip(result.trials, costs):
        beaten = ((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any()
        assert (trial in front) == (not beaten)
    assert all(t.model_path for t in front)
    assert front[0] == result.best_trial()
    result.plot(tmp_path / "front.svg")
    picture = (tmp_path / "front.svg").read_text()
    assert picture.count("<circle") == 3 * 6  # a panel for each beside the first
    assert f"<title>trial {front[0].trial_id}: " in picture
    with pytest.raises(ValueError, match=r"The picture is an SVG.*Try '.*front\.svg'"):
        result.plot(tmp_path / "front.png")
    with pytest.raises(ValueError, match="two objectives or more"):
        search(tmp_path / "one", max_trials=1).plot(tmp_path / "one.svg")


@pytest.mark.parametrize("said", [[keras.callbacks.EarlyStopping()], keras.Model])
def test_callbacks_that_all_trials_would_share_are_refused(said, tmp_path):
    with pytest.raises(ValueError, match=r"Try callbacks=lambda: \[\.\.\.\]\."):
        search(tmp_path, callbacks=said)


def test_what_is_no_space_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`space` must be what `tuning.space"):
        search(tmp_path, models.BagOfNgramsClassifier)


def test_a_trial_leaves_no_graph_behind(tmp_path):
    def graphs():
        gc.collect()
        return sum(type(o).__name__ == "FuncGraph" for o in gc.get_objects())

    def build(hp):
        # TensorFlow keeps the gradient of each trace of it, and so the trace.
        layers = [keras.Input([2]), keras.layers.Dense(hp.Int("n", 2, 9), "silu")]
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    search(tmp_path, build, max_trials=1)
    before = graphs()
    assert len(search(tmp_path, build, max_trials=4).trials) == 4
    assert graphs() == before
