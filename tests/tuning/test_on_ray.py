"""The same spaces on Ray Tune, on a cluster that is started here."""

import os
import pathlib
import time

import keras
import numpy as np
import pytest

from keras_nlp_lite import models, tuning
from keras_nlp_lite.tuning import on_ray
from keras_nlp_lite.tuning.folder import alone_in
from tests.tuning.small import LABELS, TEXTS, points, regression


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Ray, with room for two trials at once."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        real = ray.init
        patch.setattr(ray, "init", lambda **given: real(num_cpus=2, **given))
        patch.setenv("TEST_MEETINGS", str(tmp_path_factory.mktemp("meetings")))
        with on_ray._cluster(None, verbose=0):
            yield ray


@keras.saving.register_keras_serializable(package="tests")
class MeetsAfterEachEpoch(models.BagOfNgramsClassifier):
    """Ends no epoch before another trial has: neither is finished before the other is
    looked at."""

    def fit(self, *args, callbacks=(), **kwargs):
        return super().fit(*args, callbacks=[Meeting(), *callbacks], **kwargs)


class Meeting(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        from ray import tune

        folder = pathlib.Path(os.environ["TEST_MEETINGS"], str(epoch))
        folder.mkdir(exist_ok=True)
        (folder / tune.get_context().get_trial_id()).touch()
        end = time.monotonic() + 100
        while len(list(folder.iterdir())) < 2:
            assert time.monotonic() < end, "the other trial never came"
            time.sleep(0.01)


def test_asha_ends_bad_trials_early_and_finds_a_model(cluster, tmp_path):
    data = points()
    settings = {
        "objective": "val_loss",
        "direction": "min",
        "max_trials": 6,
        "epochs": 9,
        "directory": tmp_path,
        "verbose": 0,
    }
    result = tuning.search_on_ray(regression, data, data, **settings)
    epochs = [trial.epochs[0] for trial in result.trials]
    assert len(epochs) == 6 and max(epochs) == 9 and min(epochs) < 9
    loss = result.best_model().evaluate(*data, verbose=0)
    assert loss == pytest.approx(result.best_score, rel=1e-4)
    assert result.best_score == min(t.metrics["val_loss"] for t in result.trials)
    assert result.trials[0].values == {"rate": 1e-3, "bias": "no", "scale": 1}
    # Nothing of another search is taken up.
    with pytest.raises(ValueError, match="another search.*epochs=8; there, epochs=9"):
        tuning.search_on_ray(regression, data, data, **{**settings, "epochs": 8})
    assert (
        tuning.search_on_ray(regression, data, data, **settings).trials == result.trials
    )


def test_a_folder_in_which_another_process_searches_is_refused(cluster, tmp_path):
    with (
        alone_in(tmp_path, "alone"),
        pytest.raises(ValueError, match="one search at a time"),
    ):
        tuning.search_on_ray(
            *(regression, points(), points()),
            objective="val_loss",
            direction="min",
            directory=tmp_path,
        )


def test_a_population_passes_weights_on_and_gives_a_task(cluster, tmp_path):
    space = tuning.space(
        MeetsAfterEachEpoch,
        num_classes=2,
        defaults=False,
        ngrams=1,
        learning_rate=[1e-6, 0.3],
        batch_size=[4, 8],
    )
    result = tuning.search_on_ray(
        space,
        (TEXTS, LABELS),
        (TEXTS, LABELS),
        objective="val_loss",
        direction="min",
        scheduler="pbt",
        max_trials=2,  # as many as there is room for: others would have to pause
        epochs=4,
        seed=0,  # of which the second model draws the larger rate
        directory=tmp_path,
        verbose=0,
    )
    assert [trial.epochs for trial in result.trials] == [[4]] * 2
    losses = [trial.metrics["val_loss"] for trial in result.trials]
    # Left alone, a rate of 1e-6 would leave a loss of 0.69.
    assert max(losses) < 0.65
    answers = result.best_model().predict(["good", "bad"], verbose=0)
    assert answers.shape == (2, 2) and np.isfinite(answers).all()


def test_a_population_without_anything_to_move_is_refused(tmp_path):
    space = tuning.space(
        models.BagOfNgramsClassifier, num_classes=2, defaults=False, ngrams=[1, 2]
    )
    given = {"objective": "val_loss", "direction": "min", "directory": tmp_path}
    with pytest.raises(ValueError, match="varies one of learning_rate"):
        tuning.search_on_ray(space, TEXTS, TEXTS, scheduler="pbt", **given)
    with pytest.raises(ValueError, match="which arguments may change while"):
        tuning.search_on_ray(regression, TEXTS, TEXTS, scheduler="pbt", **given)


def test_ray_follows_one_objective_that_is_logged(tmp_path):
    for objective in ("latency", ["val_loss", "val_accuracy"]):
        directions = "min" if isinstance(objective, str) else ["min", "max"]
        with pytest.raises(ValueError, match="Ray follows one objective"):
            tuning.search_on_ray(
                *(regression, TEXTS, TEXTS),
                objective=objective,
                direction=directions,
                directory=tmp_path,
            )
