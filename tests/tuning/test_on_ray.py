"""The same spaces on Ray Tune, on a cluster that is started here."""

import numpy as np
import pytest

from keras_nlp_lite import models, tuning
from keras_nlp_lite.tuning import on_ray
from tests.tuning.small import points, regression

TEXTS = ["good", "not good", "bad", "not bad at all", "good and bad", "so so"] * 4
LABELS = [1, 0, 0, 1, 1, 0] * 4


@pytest.fixture(scope="module")
def cluster():
    """Ray, with room for two trials at once."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        real = ray.init
        patch.setattr(ray, "init", lambda **given: real(num_cpus=2, **given))
        with on_ray._cluster(None, verbose=0):
            yield ray


def test_asha_ends_bad_trials_early_and_finds_a_model(cluster, tmp_path):
    data = points()
    result = tuning.search_on_ray(
        regression,
        data,
        data,
        objective="val_loss",
        direction="min",
        max_trials=6,
        epochs=9,
        directory=tmp_path,
        verbose=0,
    )
    epochs = [trial.epochs[0] for trial in result.trials]
    assert len(epochs) == 6 and max(epochs) == 9 and min(epochs) < 9
    loss = result.best_model().evaluate(*data, verbose=0)
    assert loss == pytest.approx(result.best_score, rel=1e-4)
    assert result.best_score == min(t.metrics["val_loss"] for t in result.trials)


def test_a_population_passes_weights_on_and_gives_a_task(cluster, tmp_path):
    space = tuning.space(
        models.BagOfNgramsClassifier,
        num_classes=2,
        defaults=False,
        ngrams=[1, 2],
        learning_rate=(1e-5, 0.3, "log"),
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
        epochs=6,
        perturb_every=3,
        directory=tmp_path,
        verbose=0,
    )
    assert [trial.epochs for trial in result.trials] == [[6]] * 2
    losses = [trial.metrics["val_loss"] for trial in result.trials]
    # Left alone, a rate of 1e-5 would leave a loss of 0.69.
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
