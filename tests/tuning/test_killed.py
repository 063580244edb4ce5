"""A search that is killed goes on, and keeps all that it finished."""

import json
import os
import sys

import pytest

from keras_nlp_lite.tuning.oracles import STATE, TUNERS
from keras_nlp_lite.tuning.trial_run import RESULT
from tests.tuning import killed_search
from tests.tuning.small import regression, search


def test_a_killed_search_keeps_what_is_finished_and_runs_none_of_it_again(tmp_path):
    states = killed_search.kill(tmp_path, times=2)
    assert len(states) == 3
    killed_search.check(tmp_path, states)


@pytest.mark.parametrize("tuner", TUNERS)
def test_wherever_it_dies_no_finished_trial_is_run_twice(tuner, tmp_path, monkeypatch):
    """Dies as the state on disk changes: just before, and just after."""
    settings = {"tuner": tuner, "max_trials": 2, "epochs": 1}
    if tuner == "grid":
        settings |= {"space": grid}
    whole = search(tmp_path / "whole", **settings)
    real = os.replace
    moments = [(2, True), (3, False), (3, True)]
    if tuner == "random":  # the others begin alike
        moments += [(1, True), (2, False)]
    for number, late in moments:
        folder, changes = tmp_path / f"{number}{late}", 0

        def dying(source, target, number=number, late=late):
            nonlocal changes
            if os.path.basename(target) == STATE:
                changes += 1
                if changes == number:
                    if late:
                        real(source, target)
                    raise KeyboardInterrupt
            real(source, target)

        monkeypatch.setattr(os, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            search(folder, **settings)
        monkeypatch.setattr(os, "replace", real)
        before = json.loads((folder / STATE).read_text())["trials"]
        finished = [n for n, t in before.items() if t["status"] == "COMPLETED"]
        assert len(finished) == (number == 3 and late)
        written = {n: (folder / f"trial_{n}" / RESULT).read_bytes() for n in finished}
        after = search(folder, **settings)
        assert [t.values for t in after.trials] == [t.values for t in whole.trials]
        assert [t.status for t in after.trials] == ["COMPLETED"] * 2
        for name, result in written.items():
            assert (folder / f"trial_{name}" / RESULT).read_bytes() == result


def test_a_result_that_stands_is_taken_and_not_made_again(tmp_path):
    """Dies between the writing of a result and that of the search's state."""
    real, made = os.replace, []

    def dying(source, target):
        real(source, target)
        if os.path.basename(target) == RESULT and len(made) == 2:
            sys.exit()

    def note():
        made.append(1)
        return []

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(os, "replace", dying)
        search(tmp_path, max_trials=3, callbacks=note)
    result = search(tmp_path, max_trials=3, callbacks=note)
    assert [t.status for t in result.trials] == ["COMPLETED"] * 3
    assert len(made) == 3
    assert result.best_model() is not None


def test_a_trial_that_ends_its_process_twice_counts_as_failed(tmp_path):
    for _ in range(2):
        with pytest.raises(SystemExit):
            search(tmp_path, callbacks=sys.exit, max_trials=2)
    result = search(tmp_path, max_trials=2)
    assert [t.status for t in result.trials] == ["FAILED", "COMPLETED"]
    assert "ended its process 2 times" in result.trials[0].message


def test_who_interrupts_a_trial_may_do_so_often(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path, callbacks=interrupt, max_trials=1)
    (trial,) = search(tmp_path, max_trials=1).trials
    assert trial.status == "COMPLETED"


def grid(hp):
    hp.Choice("a", [1, 2])
    return regression(hp.copy())
