"""What layer-wise rates, sharpness-aware steps, frozen blocks and shared state cost.

    python benchmarks/optimizers.py              # steps of a small BERT, one process
    python benchmarks/optimizers.py --replicas   # state shared by two replicas

A call is a training step of `TextClassifier` on a BERT (4 layers, 256 wide, 30,522 words),
16 rows of 64 tokens, float32, dropout off. The first table takes turns (turns.py), each
contender in a process of its own: the plain step of `optimizer("adamw")`; layer_decay=0.9;
clip=1; ema=0.999; sharpness_aware; and the step while `GradualUnfreezing` lets the head
alone train, beside one that computes all gradients and multiplies those below by zero.

The second runs two logical CPUs under MirroredStrategy, with the state on both and
with each one's share (shard=True): bytes on each replica, and seconds a step. Medians.
"""

import argparse
import json
import os
import statistics
import time

from turns import Contender, take_turns

ROWS, TOKENS = 16, 64
SETTINGS = {"schedule": "constant"}
CONTENDERS = {
    "plain": {},
    "layer_decay": {"layer_decay": 0.9},
    "clip": {"clip": 1.0},
    "ema": {"ema": 0.999},
    "sharpness_aware": {"sam": True},
    "head alone": {"deepest": 0},
    "all, times 0": {"layer_decay": 1e-30},
}


def classifier(sam=False, deepest=None, **settings):
    """A compiled model, and a Dataset without an end."""
    import numpy as np
    import tensorflow as tf

    from keras_nlp_lite import models
    from keras_nlp_lite.optimizers import layer_depths
    from keras_nlp_lite.training.optimizer import optimizer
    from keras_nlp_lite.training.sharpness_aware import sharpness_aware

    backbone = models.BertBackbone(
        vocabulary_size=30_522,
        num_layers=4,
        num_heads=4,
        hidden_dim=256,
        intermediate_dim=1024,
        dropout=0.0,
    )
    model = models.TextClassifier(backbone, num_classes=2)
    model.compile(optimizer=optimizer("adamw", 5e-5, **SETTINGS, **settings))
    model.ensure_built()
    if sam:
        sharpness_aware(model)
    variables = model.trainable_variables
    model.optimizer.build(variables)
    if deepest is not None:
        for variable, depth in zip(variables, layer_depths(variables), strict=True):
            variable.trainable = depth <= deepest
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 30_522, (8 * ROWS, TOKENS)).astype("int32")
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}
    data = tf.data.Dataset.from_tensor_slices((x, ids[:, 0] % 2))
    return model, data.batch(ROWS, drop_remainder=True).cache().repeat()


def make_step(case):
    model, data = classifier(**json.loads(case))
    model.fit(data, steps_per_epoch=1, verbose=0)  # builds what is built late
    model.make_train_function()
    iterator = iter(data.prefetch(2))
    return lambda: float(model.train_function(iterator)["loss"])


def steps(names, repeats):
    names = ["plain", *(name for name in names if name != "plain")]
    contenders = {name: Contender(make_step, 0.5, 2.0) for name in names}
    seconds = take_turns(contenders, lambda n: (json.dumps(CONTENDERS[n]),), repeats)
    for contender in contenders.values():
        contender.end()
    for name, value in seconds.items():
        print(f"{name:16} {1e3 * value:8.1f} ms  {value / seconds['plain']:5.2f} x")
    return seconds


def replicas(number):
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
    found, runs = {}, {}
    for name, shard in (("on both", False), ("shared", True)):
        with strategy.scope():
            model, data = classifier(shard=shard)
        model.fit(data, steps_per_epoch=2, verbose=0)
        model.make_train_function()
        rows = iter(strategy.experimental_distribute_dataset(data))
        runs[name] = model, rows, []
    for _ in range(number):
        for model, rows, seconds in runs.values():
            start = time.perf_counter()
            float(model.train_function(rows)["loss"])
            seconds.append(time.perf_counter() - start)
    for name, (model, _, seconds) in runs.items():
        sizes = list(model.optimizer.state_bytes().values())
        found[name] = {"bytes": sizes, "seconds": statistics.median(seconds)}
        shares = " + ".join(f"{size / 2**20:.1f}" for size in sizes)
        print(f"{name:8} {shares} MiB  {1e3 * found[name]['seconds']:8.1f} ms a step")
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicas", action="store_true")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="file to write the numbers to")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments.replicas:
        found = replicas(4 * arguments.repeats)
    else:
        found = steps(arguments.only, arguments.repeats)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
