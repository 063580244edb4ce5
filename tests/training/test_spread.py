"""Precision and callbacks of models that are spread over two devices."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys, tempfile, warnings
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import numpy as np
from keras_nlp_lite.training.best_checkpoint import BestCheckpoint
from keras_nlp_lite.training.learning_rate_finder import find_learning_rate
from keras_nlp_lite.training.one_batch import overfit_one_batch
from keras_nlp_lite.training.stop_on_nan import StopOnNaN
from keras_nlp_lite.training.throughput import Throughput
from tests.tasks.encoders import LABELS, TEXTS
from tests.training.small import classifier, points, regression, same, state_of

seen = {}
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    task = classifier(dropout=0.0)
    task.compile(keras.optimizers.Adam(0.01))
    root = keras.layers.Activation(keras.ops.sqrt, name="root")
    ones = {"use_bias": False, "kernel_initializer": "ones"}
    layers = keras.layers.Dense(2, **ones), root, keras.layers.Dense(1)
    plain = regression(*layers, graph=True)

stop, pace = StopOnNaN(), Throughput()
best = BestCheckpoint(tempfile.mkdtemp() + "/b.keras", "loss", restore=True, verbose=0)
callbacks = [stop, pace, best]
history = task.fit(
    TEXTS, LABELS, batch_size=7, epochs=3, verbose=0, callbacks=callbacks
).history
seen["loss"] = history["loss"]
seen["found"] = stop.found is not None
seen["examples"], seen["tokens"] = pace.examples, pace.tokens
loaded = keras.models.load_model(best.path)
seen["best"] = same(loaded.get_weights(), task.get_weights())

before = state_of(task)
curve = find_learning_rate(task, (TEXTS, LABELS), steps=6, batch_size=7)
seen["rates"] = len(curve.rates)
seen["learned"] = overfit_one_batch(task, (TEXTS, LABELS), 200, batch_size=6).passed
seen["undone"] = same(before, state_of(task))

x, y = points()
x[22] = 0.0  # row 0 of the second replica's half of batch 5
with warnings.catch_warnings(action="ignore"):
    plain.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[stop])
seen["where"] = [stop.batch, stop.found.layer, stop.found.tensor, stop.found.rows]
seen["finite"] = all(np.isfinite(w).all() for w in plain.get_weights())
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_training_that_is_watched_learns(seen):
    assert seen["loss"][-1] < seen["loss"][0] and not seen["found"]


def test_rates_count_the_rows_and_tokens_of_all_replicas(seen):
    assert seen["examples"] == 28 and seen["tokens"] > 28


def test_the_best_model_is_kept_and_restored(seen):
    assert seen["best"]


def test_trials_run_and_are_undone(seen):
    assert seen["rates"] == 6 and seen["learned"] and seen["undone"]


def test_the_first_nan_is_found_in_the_replica_that_has_it(seen):
    assert seen["where"] == [5, "root", "gradient of input", [0]]
    assert seen["finite"]
