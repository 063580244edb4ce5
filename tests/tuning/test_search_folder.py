"""What a search's folder outlives: failures, death, time run out; and whom it refuses."""

import json
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_nlp_lite import models, tuning
from keras_nlp_lite.tuning import clock
from keras_nlp_lite.tuning.clock import seconds_of
from keras_nlp_lite.tuning.differences import differences
from keras_nlp_lite.tuning.folder import fingerprint
from keras_nlp_lite.tuning.objectives import objectives_of
from keras_nlp_lite.tuning.oracles import oracle_class
from keras_nlp_lite.tuning.trial_run import RESULT
from tests.tuning.small import points, regression, search, search_texts, values_of


def test_failed_trials_are_recorded_with_their_reason_and_survived(tmp_path):
    def space(hp):
        model = regression(hp)
        if hp.get("bias") == "yes":
            raise RuntimeError("no bias, please")
        return model

    result = search(tmp_path, space, max_trials=8)
    failed = [t for t in result.trials if t.status == "FAILED"]
    assert failed and len(failed) < 8
    assert all(t.values["bias"] == "yes" for t in failed)
    assert {t.message for t in failed} == {"RuntimeError: no bias, please"}
    assert len(result.trials) == 8 and result.best_trial().values["bias"] == "no"
    told = json.loads((tmp_path / f"trial_{failed[0].trial_id}" / RESULT).read_text())
    assert "raise RuntimeError" in told["traceback"]


def test_a_loss_that_is_no_number_fails_its_trial_alone(tmp_path):
    def space(hp):
        model = regression(hp)
        if hp.get("scale") > 2:
            model.optimizer.learning_rate = 1e30
        return model

    result = search(tmp_path, space, max_trials=8)
    failed = [t for t in result.trials if t.status == "FAILED"]
    assert failed and all(t.values["scale"] > 2 for t in failed)
    assert "must be a finite number" in failed[0].message


def test_five_failures_in_a_row_end_a_search_with_the_last_reason(tmp_path):
    def fail():
        raise OSError("no disk")

    with pytest.raises(ValueError, match=r"5 trials in a row failed.*no disk"):
        search(tmp_path, callbacks=fail, max_trials=9)
    result = tuning.SearchResult(tmp_path)
    assert [t.status for t in result.trials] == ["FAILED"] * 5
    with pytest.raises(ValueError, match=r"No trial ended well.*no disk"):
        result.best_trial()


def test_a_finished_search_runs_nothing_again_and_more_trials_go_on(tmp_path):
    first = search(tmp_path, max_trials=3)
    same = search(tmp_path, max_trials=3)
    assert same.trials == first.trials
    more = search(tmp_path, max_trials=5)
    assert [t.metrics for t in more.trials[:3]] == [t.metrics for t in first.trials]
    assert len(more.trials) == 5


def test_a_search_is_the_same_whether_it_is_broken_off_or_not(tmp_path):
    class Break(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            left.append(1)
            if len(left) == 3:
                raise KeyboardInterrupt

    left = []
    whole = search(tmp_path / "whole", max_trials=4)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "broken", max_trials=4, callbacks=lambda: [Break()])
    status = [t.status for t in tuning.SearchResult(tmp_path / "broken").trials]
    assert status == ["COMPLETED", "COMPLETED", "RUNNING"]
    broken = search(tmp_path / "broken", max_trials=4)
    assert values_of(broken) == values_of(whole)
    losses = [[t.metrics["val_loss"] for t in r.trials] for r in (broken, whole)]
    assert losses[0] == losses[1]


def test_a_budget_ends_the_trial_it_is_in_and_begins_no_other(tmp_path):
    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.05)

    start = time.monotonic()
    settings = {"callbacks": lambda: [Slow()], "max_trials": 50, "epochs": 100}
    result = search(tmp_path, budget="2s", early_stop=False, **settings)
    assert time.monotonic() - start < 10
    assert len(result.trials) < 50
    last = result.trials[-1]
    assert last.cut_short and last.epochs[0] < 100 and last.status == "COMPLETED"
    again = search(tmp_path, budget="2s", early_stop=False, **settings)
    assert again.trials == result.trials  # the time of earlier processes counts


def test_the_time_of_a_trial_in_which_the_process_died_counts(tmp_path, monkeypatch):
    class Die(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            noted = tmp_path / clock.SECONDS
            while not noted.exists() or json.loads(noted.read_text()) < 0.5:
                time.sleep(0.01)
            # From here on nothing is noted, as if the process had been killed.
            monkeypatch.setattr(clock, "write_json", lambda *args, **kwargs: None)
            sys.exit()

    monkeypatch.setattr(clock, "_TICK", 0.05)
    with pytest.raises(SystemExit):
        search(tmp_path, callbacks=lambda: [Die()], budget="1h")
    monkeypatch.undo()
    result = search(tmp_path, budget=0.5)
    assert [t.status for t in result.trials] == ["RUNNING"]


def test_spans_of_time():
    assert [seconds_of(x) for x in ("90s", "2 m", "0.5h", "1d", 7)] == [
        *(90.0, 120.0, 1800.0, 86_400.0, 7.0)
    ]
    for wrong in ("soon", "0m", -1, "1..5h"):
        with pytest.raises(ValueError, match="must be a time"):
            seconds_of(wrong)


def test_another_search_in_the_folder_is_refused_unless_it_may_go(tmp_path):
    search(tmp_path, max_trials=1)
    with pytest.raises(ValueError, match=r"another search.*epochs=2; there, epochs=3"):
        search(tmp_path, epochs=2)
    result = search(tmp_path, epochs=2, max_trials=1, overwrite=True)
    assert result.trials[0].epochs == [2]


def test_another_searchs_message_names_each_argument_that_differs(tmp_path):
    def of(directory, **said):
        space = tuning.space(models.BagOfNgramsClassifier, num_classes=2, **said)
        search_texts(space, directory, max_trials=1, epochs=1)

    of(tmp_path, ngrams=[1, 2, 3])
    with pytest.raises(ValueError) as refusal:
        of(tmp_path, ngrams=[1, 2], learning_rate=0.1)
    assert "ngrams=1 | 2, learning_rate=0.1; there, " in str(refusal.value)
    there = "there, ngrams=1 | 2 | 3, learning_rate=0.0002 to 0.02 log. Try"
    assert there in str(refusal.value)


def test_long_values_are_shown_where_they_differ():
    there = {"fixed": {"names": "x" * 300 + "old"}, "space": []}
    ((name, was, now),) = differences(there, {"fixed": {"names": "x" * 300 + "new"}})
    assert (name, was[-3:], now[-3:]) == ("names", "old", "new") and len(was) < 70


def test_a_directory_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for directory in (file, file / "search"):
        with pytest.raises(ValueError, match="`directory` must be a folder"):
            search(directory)


def test_a_search_on_other_validation_data_is_another_search(tmp_path):
    search(tmp_path, max_trials=1)
    x, y = points()
    with pytest.raises(ValueError, match="The folder holds another search.*val="):
        tuning.search(
            regression,
            (x, y),
            (x + 1, y),
            objective="val_loss",
            direction="min",
            directory=tmp_path,
            max_trials=1,
            epochs=3,
            verbose=0,
        )


@pytest.mark.parametrize("kind", [list, np.array, lambda t: np.array(t, object)])
def test_validation_texts_may_be_in_any_alphabet(kind):
    texts = ["schön", "großartig", "最高", "plain"]
    found = fingerprint((kind(texts), [1, 0, 1, 0]))
    assert found == fingerprint((kind(texts), [1, 0, 1, 0]))
    assert found != fingerprint((kind(["schon", *texts[1:]]), [1, 0, 1, 0]))


def test_a_search_goes_on_with_texts_in_any_alphabet(tmp_path):
    space = tuning.space(
        models.BagOfNgramsClassifier, num_classes=2, defaults=False, ngrams=[1, 2]
    )
    data = np.array(["schön", "nicht schön"] * 4, object), [1, 0] * 4
    found = [
        tuning.search(
            *(space, data, data),
            objective="val_accuracy",
            direction="max",
            directory=tmp_path,
            max_trials=1,
            epochs=1,
            tensorboard=False,
            verbose=0,
        )
        for _ in range(2)
    ]
    assert found[0].trials == found[1].trials


def test_trials_of_workers_that_are_gone_go_to_whoever_asks(tmp_path):
    oracle = oracle_class("random")(
        objectives_of("val_loss", "min"), str(tmp_path), max_trials=3, seed=1
    )
    oracle.hyperparameters.Float("rate", 0.0, 1.0)
    begun = [oracle.create_trial(name).trial_id for name in ("one", "two")]
    again = oracle_class("random")(
        objectives_of("val_loss", "min"), str(tmp_path), max_trials=3, seed=1
    )
    assert again.reload()
    assert [again.create_trial(n).trial_id for n in ("three", "four")] == begun


def test_a_folder_in_which_another_process_searches_is_refused(tmp_path):
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / ".lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(ValueError, match="one search at a time"):
        search(tmp_path)
    holder.communicate()
    assert len(search(tmp_path, max_trials=1).trials) == 1


def test_every_seed_is_another_search(tmp_path):
    found = [
        values_of(search(tmp_path / str(seed), max_trials=2, epochs=1, seed=seed))
        for seed in (0, 1)
    ]
    assert found[0][0] == found[1][0]  # the defaults
    assert found[0][1] != found[1][1]


def test_a_finished_search_says_that_nothing_is_left(tmp_path, capsys):
    search(tmp_path, max_trials=3)
    search(tmp_path, max_trials=2, verbose=1)
    said = capsys.readouterr().out
    assert "3 trials are done already; none is left to run." in said


def test_a_folder_without_a_search_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be the folder of a search"):
        tuning.SearchResult(tmp_path)
