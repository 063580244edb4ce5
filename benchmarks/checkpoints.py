"""Seconds and memory that a checkpoint of a run takes, and that going on from it takes.

    python benchmarks/checkpoints.py            # BERT-base with AdamW: 110M weights, 1.3 GB
    python benchmarks/checkpoints.py --small    # a try in seconds

A checkpoint: from the end of a step to the moment that everything is on the disk. Going on:
finding the checkpoint, checking its sums, reading it and setting all variables; not the
start of Python and the tracing of the step, which every start of the script pays. Memory
is the peak of the process over what it held before. Two processes, as in real life: the
first trains two steps and writes, the second goes on and trains one more.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SMALL = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 32,
    "intermediate_dim": 64,
    "vocabulary_size": 100,
    "max_sequence_length": 16,
}


# ---- In each of the processes ----


def peak_over(work):
    """Seconds of a call, and how far memory rose over what there was: bytes."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is what is there now
    before = memory("VmRSS")
    start = time.perf_counter()
    work()
    return time.perf_counter() - start, memory("VmHWM") - before


def memory(name):
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(name + ":"))
    return 1024 * int(line.split()[1])


def train(folder, small):
    """Trains two steps, of which those are over that a checkpoint in `folder` holds."""
    import keras
    import numpy as np

    from keras_nlp_lite import models
    from keras_nlp_lite.training.resumable_run import ResumableRun

    figures = {}

    class Timed(ResumableRun):
        def measure(self, name, work):
            seconds, risen = peak_over(work)
            figures[name] = {"seconds": seconds, "peak_bytes": risen}

        def take_up(self, *arguments):
            self.measure("find", lambda: super(Timed, self).take_up(*arguments))

        def restore(self):
            self.measure("restore", super().restore)

        def _save(self, **arguments):
            self.measure("checkpoint", lambda: super(Timed, self)._save(**arguments))

    keras.utils.set_random_seed(1)
    size = SMALL if small else {"vocabulary_size": 30_522, **models.sizes["base"]}
    model = models.TextClassifier(models.BertBackbone(**size), num_classes=2)
    model.compile(keras.optimizers.AdamW(1e-5))
    ids = np.ones([4, 8], "int32")
    x = {"token_ids": ids, "padding_mask": ids, "segment_ids": 0 * ids}
    epochs = 2 if os.path.isdir(folder) else 1
    model.fit(
        x, ids[:, 0], batch_size=2, epochs=epochs, verbose=0, callbacks=[Timed(folder)]
    )
    variables = model.variables + model.optimizer.variables
    figures["weights"] = model.count_params()
    figures["bytes"] = sum(
        int(np.prod(v.shape)) * np.dtype(v.dtype).itemsize for v in variables
    )
    print(json.dumps(figures))


# ---- The program ----


def run(folder, small):
    """What a process of this program measured."""
    command = [sys.executable, __file__, "--folder", folder]
    command += ["--small"] if small else []
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a try in seconds")
    parser.add_argument("--work-dir", type=pathlib.Path, help="on the disk to measure")
    parser.add_argument("--json", help="a file for the figures")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        train(options.folder, options.small)
        sys.exit()
    with tempfile.TemporaryDirectory(dir=options.work_dir) as parent:
        folder = os.path.join(parent, "run")
        first, second = run(folder, options.small), run(folder, options.small)
    figures = {
        "weights": first["weights"],
        "bytes": first["bytes"],
        "checkpoint": first["checkpoint"],
        "go on": {
            "seconds": second["find"]["seconds"] + second["restore"]["seconds"],
            "peak_bytes": max(
                second["find"]["peak_bytes"], second["restore"]["peak_bytes"]
            ),
        },
    }
    print(
        f"{figures['weights']:,} weights, {figures['bytes'] / 1e9:.2f} GB in variables"
    )
    for name in ("checkpoint", "go on"):
        seconds, risen = figures[name]["seconds"], figures[name]["peak_bytes"] / 1e6
        print(f"{name:12} {seconds:6.2f} s   peak memory +{risen:.0f} MB")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=2)
