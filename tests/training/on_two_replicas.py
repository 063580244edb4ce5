"""Trains on one replica and on two of them; prints what came out as JSON.

A script of its own: logical devices have to be made before TensorFlow runs anything.
"""

import contextlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.optimizers import LossScaleOptimizer
from keras_nlp_lite.training.optimizer import optimizer
from keras_nlp_lite.training.resumable_run import ResumableRun
from keras_nlp_lite.training.sharpness_aware import sharpness_aware

STEPS, BATCH, WORDS, WIDTH = 6, 8, 41, 6
SETTINGS = {"steps": STEPS, "weight_decay": 0.1}
ALL = {"clip": 0.1, "ema": 0.9, "layer_decay": 0.8, **SETTINGS}

CASES = {
    "accumulated": ("adamw", {**ALL, "accumulate": 2}),
    "sharded": ("adamw", {**ALL, "shard": True}),
    "sharded whole": ("lamb", {**SETTINGS, "shard": True}),
    "sharpness aware": ("sgd", {**SETTINGS, "clip": 0.1}),
    "loss scaled": ("adamw", {**ALL, "shard": True, "accumulate": 2}),
}


class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs["loss"])


def compiled(case):
    name, settings = CASES[case]
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Embedding(WORDS, WIDTH),
            keras.layers.Dense(7, "tanh"),
            keras.layers.LayerNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.build((None, 5))
    chosen = optimizer(name, 0.02, **settings)
    if case == "loss scaled":
        chosen = keras.optimizers.LossScaleOptimizer(chosen, initial_scale=8.0)
    model.compile(chosen, "mse")
    if case == "sharpness aware":
        sharpness_aware(model, radius=0.2)
    return model


def train(model, callbacks=(), **options):
    rng = np.random.default_rng(0)
    # Some words twice in a batch, and on both replicas.
    ids = rng.integers(0, WORDS, (STEPS * BATCH, 5))
    targets = rng.normal(size=(STEPS * BATCH, 1)).astype("float32")
    losses = Losses()
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **options}
    model.fit(ids, targets, callbacks=[*callbacks, losses], **options)
    return losses.seen


def arrays(model):
    return [np.asarray(v.numpy()) for v in (*model.weights, *model.optimizer.variables)]


def apart(ones, others):
    """The largest difference, in the numbers' own size where they are large."""
    assert len(ones) == len(others)
    return max(
        float(np.max(np.abs(x - y) / np.maximum(1.0, np.abs(x)), initial=0.0))
        for x, y in zip(ones, others, strict=True)
    )


def compared(case, strategy):
    """(what one replica and two of them came to, both models)"""
    one = compiled(case)
    before = one.get_weights()
    losses = train(one)
    with strategy.scope():
        two = compiled(case)
    both = train(two)
    inner = getattr(two.optimizer, "inner_optimizer", two.optimizer)
    alone = getattr(one.optimizer, "inner_optimizer", one.optimizer)
    result = {
        "losses": apart([np.array(losses)], [np.array(both)]),
        "moved": apart(before, one.get_weights()),
        "state": apart(arrays(one), arrays(two)),
        "bytes": sum(alone.state_bytes().values()),
        "bytes_per_replica": list(inner.state_bytes().values()),
    }
    return result, (one, two)


def handed_on(strategy, models, folder):
    """Differences of runs that change their replicas in the middle."""
    whole, model = models
    before = arrays(whole)
    train(whole)
    model.save(f"{folder}/two.keras")
    single = keras.saving.load_model(f"{folder}/two.keras")
    saved = apart(before, arrays(single))
    single.save(f"{folder}/one.keras")
    with strategy.scope():
        again = keras.saving.load_model(f"{folder}/one.keras")
    train(single)
    train(again)
    return {
        "saved": saved,
        "one": apart(arrays(whole), arrays(single)),
        "two": apart(arrays(whole), arrays(again)),
    }


def resumed(strategy, folder):
    """Differences, to a run on one replica, of runs that go on with another number."""
    whole = compiled("sharded")
    losses = train(whole, epochs=2)
    found = {}
    scopes = {"one": contextlib.nullcontext, "two": strategy.scope}
    for first, second in (("one", "two"), ("two", "one")):
        parts = []
        for epochs, replicas in ((1, first), (2, second)):
            with scopes[replicas]():
                model = compiled("sharded")
            run = ResumableRun(f"{folder}/from_{first}")
            parts += train(model, [run], epochs=epochs)
        found[f"losses, {first} to {second}"] = apart(
            [np.array(losses)], [np.array(parts)]
        )
        found[f"state, {first} to {second}"] = apart(arrays(whole), arrays(model))
    return found


def overflowed(strategy):
    """Weights, and the loss scale, after a gradient too large on one replica alone."""
    with strategy.scope():
        weight = keras.Variable([1.0, 2.0])
        scaled = LossScaleOptimizer(optimizer("sgd", 1.0), initial_scale=8.0)
        scaled.build([weight])

    def step(which):
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        scaled.apply([tf.where(number == which, [8.0, np.inf], [8.0, 8.0])])

    states = []
    for which in (0, 1, 2):  # the last is no replica: all is well
        tf.function(lambda which=which: strategy.run(step, (which,)))()
        states.append([*weight.numpy().tolist(), float(scaled.dynamic_scale.numpy())])
    return states


def main(folder):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
    found, models = {}, {}
    for case in CASES:
        found[case], models[case] = compared(case, strategy)
    found["handed on"] = handed_on(strategy, models["sharded"], folder)
    found["resumed"] = resumed(strategy, folder)
    found["overflowed"] = overflowed(strategy)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
