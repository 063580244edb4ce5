"""A search that is killed goes on, and keeps all that it finished."""

import json
import os

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
    settings = {"tuner": tuner, "max_trials": 3, "epochs": 1}
    if tuner == "grid":
        settings |= {"space": grid}
    whole = search(tmp_path / "whole", **settings)
    real = os.replace
    for number, late in [(1, True), (2, False), (2, True), (3, False), (3, True)]:
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
        assert [t.status for t in after.trials] == ["COMPLETED"] * 3
        for name, result in written.items():
            assert (folder / f"trial_{name}" / RESULT).read_bytes() == result


def grid(hp):
    hp.Choice("a", [1, 2, 3])
    return regression(hp.copy())
