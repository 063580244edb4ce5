"""What a strategy costs with one replica, and what a second process gains.

    python benchmarks/scaling.py                                    # rows of 64 tokens
    python benchmarks/scaling.py --only processes --tokens 256

A call is a training step of `TextClassifier` on a BERT (4 layers, 256 wide, 8,000 words),
64 rows, float32, dropout off, AdamW with clipped gradients. Contenders take turns
(turns.py), each a process of its own, or two:

- overhead: no strategy, MirroredStrategy of one device, MultiWorkerMirroredStrategy of one
  worker, each on all cores;
- processes: one process of one thread on one core, against two such processes, each on a
  core of its own, that share the 64 rows and exchange gradients over the loopback network;
  and against two that exchange nothing and wait for each other after each step, as far as
  the machine lets two go.

Medians of turns; the second figure of each line is the ratio to the first contender.
"""

import argparse
import atexit
import json
import os
import pathlib
import socket
import subprocess
import sys

from turns import Contender, take_turns

ROWS, WORDS = 64, 8_000
WORKERS, WORKER = "KERAS_NLP_LITE_WORKERS", "KERAS_NLP_LITE_WORKER"


def make_step(how, tokens, follows=False):
    """A function that takes a training step, under a strategy or on one core.

    Args:
        how: Name of a contender.
        tokens: int, of a row.
        follows: Whether this is the second of two processes.
    """
    follower = None
    if how in ("one process", "two apart", "two processes"):
        os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
        os.environ["TF_NUM_INTEROP_THREADS"] = "1"
        if how != "one process" and not follows:
            follower = _add_process(how, tokens)  # inherits the cores of this one
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[follows]})
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_nlp_lite import models
    from keras_nlp_lite.tasks.spread import spread
    from keras_nlp_lite.training.distribute import distribute
    from keras_nlp_lite.training.optimizer import optimizer

    if how == "mirrored":
        strategy = distribute("mirrored")
    elif how == "multi_worker":
        cluster = {"worker": [f"localhost:{_free_ports(1)[0]}"]}
        task = {"type": "worker", "index": 0}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        strategy = distribute(tf.distribute.MultiWorkerMirroredStrategy())
    else:
        strategy = distribute("auto")
    keras.utils.set_random_seed(1)
    backbone = models.BertBackbone(
        vocabulary_size=WORDS,
        num_layers=4,
        num_heads=4,
        hidden_dim=256,
        intermediate_dim=1024,
        dropout=0.0,
    )
    model = models.TextClassifier(backbone, num_classes=2)
    model.compile(optimizer("adamw", 5e-5, schedule="constant", clip=1.0))
    rng = np.random.default_rng(0)
    ids = rng.integers(1, WORDS, (4 * ROWS, tokens)).astype("int32")
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}
    rows = ROWS // 2 if how == "two apart" else ROWS
    data = tf.data.Dataset.from_tensor_slices((x, ids[:, 0] % 2)).batch(rows)
    model.fit(data.take(1), verbose=0)  # builds what is built late
    model.make_train_function()
    endless = spread(data.cache().repeat().prefetch(2), strategy)
    iterator = (
        iter(strategy.experimental_distribute_dataset(endless))
        if (strategy.num_replicas_in_sync == 1)
        else iter(endless)
    )

    def step():
        return float(model.train_function(iterator)["loss"])

    def step_by_step():
        follower.stdin.write(b"1")
        step()
        follower.stdout.read(1)

    return step_by_step if how == "two apart" and follower else step


def _add_process(how, tokens):
    """Starts the second process: it steps when it is told to, or when workers do."""
    environment = dict(os.environ)
    if how == "two processes":
        addresses = ",".join(f"localhost:{port}" for port in _free_ports(2))
        os.environ.update({WORKERS: addresses, WORKER: "0"})
        environment.update({WORKERS: addresses, WORKER: "1"})
    follower = subprocess.Popen(
        [sys.executable, __file__, "--follow", how, "--tokens", str(tokens)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    atexit.register(follower.kill)
    return follower


def _follow(how, tokens):
    """What the second process does, until the first is gone."""
    step = make_step(how, tokens, follows=True)
    while how == "two processes" or sys.stdin.buffer.read(1):
        step()
        if how == "two apart":
            os.write(1, b"1")


def _free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def measure(names, tokens, repeats, turn):
    contenders = {name: Contender(make_step, turn / 4, turn) for name in names}
    seconds = take_turns(contenders, lambda name: (name, tokens), repeats)
    for contender in contenders.values():
        contender.end()
    for name in names:
        ratio = seconds[name] / seconds[names[0]]
        if name.startswith("two"):
            ratio = 1 / ratio
        print(
            f"{name:16} {1e3 * seconds[name]:8.1f} ms a step  {ratio:6.3f} x"
            f"  {ROWS / seconds[name]:7.1f} examples/s",
            flush=True,
        )
    return seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["overhead", "processes"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--turn", type=float, default=6, help="seconds")
    parser.add_argument("--tokens", type=int, default=64, help="of a row")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    parser.add_argument("--follow", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments.follow:
        _follow(arguments.follow, arguments.tokens)
        return
    figures = {}
    groups = {
        "overhead": ["no strategy", "mirrored", "multi_worker"],
        "processes": ["one process", "two apart", "two processes"],
    }
    for group, names in groups.items():
        if arguments.only in (None, group):
            figures[group] = measure(
                names, arguments.tokens, arguments.repeats, arguments.turn
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
