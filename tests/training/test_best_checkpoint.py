"""The best epoch's model, whole, on disk and if asked for in memory."""

import keras
import numpy as np
import pytest

from keras_nlp_lite.models import load_model
from keras_nlp_lite.training.best_checkpoint import BestCheckpoint, direction_of
from tests.tasks.encoders import LABELS, TEXTS
from tests.training.small import classifier, points, regression


class Logs(keras.callbacks.Callback):
    """Puts values into the epochs' logs, and notes the weights of each epoch."""

    def __init__(self, **values):
        super().__init__()
        self.values, self.weights = values, []

    def on_epoch_end(self, epoch, logs=None):
        logs.update({name: values[epoch] for name, values in self.values.items()})
        self.weights.append(self.model.get_weights())


def fit(best, **values):
    """A plain model, trained one epoch for each of the values."""
    model = regression(keras.layers.Dense(1))
    logs = Logs(**values)
    epochs = len(next(iter(values.values())))
    callbacks = [logs, best] if isinstance(best, BestCheckpoint) else [logs, *best]
    model.fit(*points(8), epochs=epochs, verbose=0, callbacks=callbacks)
    return model, logs


def weights_in(path):
    return load_model(path).get_weights()


@pytest.mark.parametrize(
    "monitor, epoch", [("val_loss", 1), ("val_accuracy", 2), ("perplexity", 1)]
)
def test_the_file_holds_the_best_epochs_model(tmp_path, monitor, epoch):
    best = BestCheckpoint(tmp_path / "deep" / "best.keras", monitor, verbose=0)
    _, logs = fit(best, **{monitor: [3.0, 1.0, 4.0, 2.0]})
    assert (best.best_epoch, best.best) == (epoch, [3.0, 1.0, 4.0, 2.0][epoch])
    for kept, was in zip(weights_in(best.path), logs.weights[epoch], strict=True):
        np.testing.assert_array_equal(kept, was)


def test_restore_gives_the_model_the_best_weights(tmp_path):
    best = BestCheckpoint(tmp_path / "b.keras", "val_loss", restore=True, verbose=0)
    model, logs = fit(best, val_loss=[3.0, 1.0, 4.0])
    for kept, was in zip(model.get_weights(), logs.weights[1], strict=True):
        np.testing.assert_array_equal(kept, was)
    assert not np.array_equal(logs.weights[1][0], logs.weights[2][0])


def test_nan_is_never_best(tmp_path):
    best = BestCheckpoint(tmp_path / "b.keras", "val_loss", verbose=0)
    fit(best, val_loss=[float("nan"), 5.0, float("nan")])
    assert (best.best, best.best_epoch) == (5.0, 1)


def test_a_resumed_run_keeps_a_better_file(tmp_path):
    first = BestCheckpoint(tmp_path / "b.keras", "val_loss", verbose=0)
    _, logs = fit(first, val_loss=[2.0, 1.0])
    second = BestCheckpoint(tmp_path / "b.keras", "val_loss", restore=True, verbose=0)
    second.set_state(first.get_state())
    model, _ = fit(second, val_loss=[1.5, 1.2])
    assert (second.best, second.best_epoch) == (1.0, 1)
    for found in (weights_in(second.path), model.get_weights()):
        for kept, was in zip(found, logs.weights[1], strict=True):
            np.testing.assert_array_equal(kept, was)


def test_a_task_is_kept_with_its_vocabulary(tmp_path, capsys):
    best = BestCheckpoint(tmp_path / "best.keras", "val_accuracy")
    model = classifier()
    model.compile(keras.optimizers.Adam(0.01))
    data = {"validation_data": (TEXTS, LABELS), "epochs": 2, "verbose": 0}
    history = model.fit(TEXTS, LABELS, callbacks=[best], **data).history
    assert best.best == max(history["val_accuracy"])
    assert f"Best val_accuracy: {best.best:.4f}" in capsys.readouterr().out
    accuracy = load_model(best.path).evaluate(
        TEXTS, LABELS, verbose=0, return_dict=True
    )
    assert accuracy["accuracy"] == pytest.approx(best.best)


def test_an_interrupted_save_leaves_the_old_file(tmp_path):
    class Unsaved(keras.Sequential):
        broken = False

        def get_config(self):
            if self.broken:
                raise KeyboardInterrupt
            return super().get_config()

    best = BestCheckpoint(tmp_path / "best.keras", "val_loss", verbose=0)
    model = Unsaved([keras.Input([3]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    fit_on = {"verbose": 0, "callbacks": [Logs(val_loss=[1.0]), best]}
    model.fit(*points(8), **fit_on)
    before = (tmp_path / "best.keras").read_bytes()
    model.broken, best.best = True, 9.0
    with pytest.raises(KeyboardInterrupt):
        model.fit(*points(8), **fit_on)
    assert (tmp_path / "best.keras").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["best.keras"]


def test_names_tell_the_direction():
    falling = "loss val_loss perplexity mean_squared_error edit_distance kl_divergence"
    falling += " sparse_categorical_crossentropy val_mae wer"
    rising = "accuracy val_binary_accuracy f1 entity_f1 bleu rouge_l auc_1 recall"
    rising += " top_k_categorical_accuracy cosine_similarity val_acc"
    assert {direction_of(name) for name in falling.split()} == {"min"}
    assert {direction_of(name) for name in rising.split()} == {"max"}


def test_a_metric_knows_its_direction_whatever_its_name():
    model = regression(
        keras.layers.Dense(1), metrics=[keras.metrics.MeanSquaredError(name="f1")]
    )
    model.fit(*points(8), verbose=0)
    assert direction_of("val_f1", model) == "min"


def test_an_unknown_direction_is_refused_until_it_is_said(tmp_path):
    path = tmp_path / "b.keras"
    with pytest.raises(ValueError, match="'joy'.*mode='max' or mode='min'"):
        fit(BestCheckpoint(path, "joy"), joy=[1.0])
    best = BestCheckpoint(path, "joy", mode="max", verbose=0)
    fit(best, joy=[1.0, 2.0])
    assert best.best == 2.0


def test_an_epoch_without_the_value_is_said_once(tmp_path):
    best = BestCheckpoint(tmp_path / "b.keras", "val_loss")
    with pytest.warns(UserWarning, match="has loss, other.*validation_data") as said:
        fit(best, other=[1.0, 2.0])
    assert len([w for w in said if "monitored" in str(w.message)]) == 1
    assert not (tmp_path / "b.keras").exists()


def test_a_path_without_keras_is_refused():
    with pytest.raises(ValueError, match="Try 'best.keras'"):
        BestCheckpoint("best")
