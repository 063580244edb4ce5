import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.monitoring import TensorBoard
from keras_nlp_lite.monitoring.health import MEASURES
from keras_nlp_lite.training.stop_on_nan import StopOnNaN
from tests.monitoring.runs import Run

V, T, D = 11, 5, 3  # vocabulary, tokens, width
IDS = np.array([[1, 2, 2, 7, 1], [3, 3, 3, 3, 3], [1, 9, 8, 7, 6], [0, 0, 1, 0, 2]])
WANTED = np.array([[1.0], [0.0], [2.0], [-1.0]])


def words(optimizer="sgd", scale=1.0, **kwargs):
    """Embeddings and two dense layers, always with the same weights."""
    model = keras.Sequential(
        [
            keras.layers.Embedding(V, D, name="words"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="relu", name="inner"),
            keras.layers.Dense(1, name="outer"),
        ],
        name="model",
    )
    model.build((None, T))
    rng = np.random.default_rng(3)
    for weight in model.trainable_variables:
        weight.assign(scale * rng.normal(size=weight.shape))
    given = {"jit_compile": False, "run_eagerly": True, **kwargs}
    model.compile(optimizer, "mse", **given)
    return model


def fit(log_dir, model, health=1, epochs=1, batch_size=4, **arguments):
    callback = TensorBoard(log_dir, health=health)
    model.fit(
        IDS,
        WANTED,
        batch_size=batch_size,
        shuffle=False,
        epochs=epochs,
        verbose=0,
        **{"callbacks": [callback], **arguments},
    )
    return Run(log_dir)


def by_hand(model):
    """{tag: number} of a step on all rows, from gradients that a tape gives."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(IDS) - WANTED) ** 2)
    variables = [v.value for v in model.trainable_variables]
    gradients = [
        np.array(tf.convert_to_tensor(g)) for g in tape.gradient(loss, variables)
    ]
    found = {}
    layers = {"words": [0], "inner": [1, 2], "outer": [3, 4], "all": range(5)}
    for name, numbers in layers.items():
        g = np.concatenate([gradients[i].ravel() for i in numbers])
        w = np.concatenate([np.array(variables[i]).ravel() for i in numbers])
        found[f"gradient_norm/{name}"] = np.linalg.norm(g)
        found[f"weight_norm/{name}"] = np.linalg.norm(w)
        found[f"gradient_zeros/{name}"] = np.mean(g == 0)
        found[f"gradient_nan/{name}"] = np.mean(np.isnan(g))
        found[f"gradient_infinite/{name}"] = np.mean(np.isinf(g))
    return found


def at_step(run, step):
    tags = [tag for tag in run.tags("train") if tag.split("/")[0] in MEASURES]
    return {tag: run.scalars("train", tag)[step] for tag in tags}


@pytest.mark.parametrize("eagerly", [True, False])
def test_norms_and_shares_are_those_of_the_steps_own_gradients(tmp_path, eagerly):
    # Rows that a batch looks up several times have the sum of their gradients.
    model = words(run_eagerly=eagerly)
    wanted = by_hand(model)
    assert 0 < wanted["gradient_zeros/words"] < 1
    found = at_step(fit(tmp_path, model), 0)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_numbers_that_are_none_are_counted(tmp_path):
    model = words(scale=1e30)  # the loss overflows, and its gradients
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = by_hand(model)
    assert wanted["gradient_nan/all"] + wanted["gradient_infinite/all"] > 0
    found = at_step(fit(tmp_path, model), 0)
    shares = [tag for tag in wanted if "norm" not in tag]
    assert {tag: found[tag] for tag in shares} == pytest.approx(
        {tag: wanted[tag] for tag in shares}
    )


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_every_so_many_steps_one_is_looked_at(tmp_path, steps_per_execution):
    model = words(run_eagerly=False, steps_per_execution=steps_per_execution)
    run = fit(tmp_path, model, health=3, epochs=4, batch_size=2)  # 8 steps
    assert set(run.scalars("train", "gradient_norm/all")) == {0, 3, 6}


def test_steps_are_counted_over_all_fits(tmp_path):
    model = words()
    fit(tmp_path / "first", model, health=3, epochs=2)
    run = fit(tmp_path / "second", model, health=3, epochs=2)
    assert set(run.scalars("train", "gradient_norm/all")) == {3}


def test_the_scale_of_a_loss_is_taken_out(tmp_path):
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(), initial_scale=2.0**7
    )
    found = at_step(fit(tmp_path, words(scaled)), 0)
    assert found == pytest.approx(by_hand(words()), rel=1e-5)


def test_a_frozen_layer_has_no_scalars(tmp_path):
    model = words()
    model.get_layer("inner").trainable = False
    model.compile("sgd", "mse", run_eagerly=True)
    tags = fit(tmp_path, model).tags("train")
    assert "gradient_norm/outer" in tags
    assert not {tag for tag in tags if tag.endswith("/inner")}


def test_training_is_the_same_to_the_last_bit(tmp_path):
    watched, alone = words("adam"), words("adam")
    fit(tmp_path, watched, epochs=3)
    fit(tmp_path, alone, epochs=3, callbacks=[])
    for one, other in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_afterwards_nothing_is_left_in_the_model(tmp_path):
    model = words()
    callbacks = [TensorBoard(tmp_path, health=1), StopOnNaN()]
    for order in (callbacks, callbacks[::-1]):
        fit(tmp_path, model, callbacks=order)
        assert "apply" not in vars(model.optimizer)
        assert not {"train_step", "_step_hooks"} & set(vars(model))


def test_without_the_option_nothing_is_looked_at(tmp_path):
    tags = fit(tmp_path, words(), health=False).tags("train")
    assert not [tag for tag in tags if tag.split("/")[0] in MEASURES]


def test_a_frequency_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`health` must be an integer.*health=-1"):
        TensorBoard(tmp_path, health=-1)


def test_a_look_waits_for_the_gradients_that_the_optimizer_gathers(tmp_path):
    gathering = keras.optimizers.SGD(0.01, gradient_accumulation_steps=3)
    run = fit(tmp_path, words(gathering), health=2, epochs=9, batch_size=4)
    # Of nine batches the optimizer made three steps, of which it looks at 0 and 2.
    assert sorted(run.scalars("train", "weight_norm/all")) == [0, 2]


def test_a_fit_that_did_not_begin_leaves_nothing_in_the_model(tmp_path):
    model = words()
    callback = TensorBoard(tmp_path, health=1, projector=True)  # a model without words
    for _ in range(2):
        with pytest.raises(ValueError, match="projector|vocabulary|tokens"):
            model.fit(IDS, WANTED, verbose=0, callbacks=[callback])
        assert "train_step" not in vars(model)
        assert "apply" not in vars(model.optimizer)
