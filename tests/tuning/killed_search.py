"""A search that dies at random moments, and is started again.

The tests kill it twice. To kill it more often, which takes minutes:

    python tests/tuning/killed_search.py --kill 5
"""

import argparse
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

TRIALS = 9


def run(folder, tuner):
    """A search on made-up reviews, with a diary of the trainings that begin and end."""
    import keras

    from keras_nlp_lite import tuning
    from tests.tuning.small import points, regression

    class Diary(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.note("begins")

        def on_epoch_end(self, epoch, logs=None):
            time.sleep(0.02)

        def on_train_end(self, logs=None):
            self.note("ends")

        def note(self, what):
            rate = float(self.model.optimizer.learning_rate)
            with open(folder / "diary", "a", encoding="utf-8") as file:
                file.write(f"{what} {rate.hex()}\n")

    tuning.search(
        regression,
        points(),
        points(),
        objective="val_loss",
        direction="min",
        tuner=tuner,
        max_trials=TRIALS,
        epochs=5,
        early_stop=False,
        directory=folder / "search",
        callbacks=lambda: [Diary()],
        tensorboard=False,
        verbose=0,
    )


def state(folder):
    """dict of the trials on disk that have ended, with their results."""
    path = folder / "search" / "oracle.json"
    if not path.exists():
        return {}
    trials = json.loads(path.read_text())["trials"]
    return {k: t for k, t in trials.items() if t["status"] == "COMPLETED"}


def kill(folder, times, tuner="random", seed=0):
    """Starts a search again and again, and kills it at random; the last time to its end.

    Returns:
        list of `state` after each process.
    """
    draw = random.Random(seed)
    states = []
    while True:
        process = subprocess.Popen(
            [sys.executable, __file__, "--folder", folder, "--tuner", tuner],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if times:
            # Into another trial than the last time: one that dies twice has failed.
            _wait_for_more(process, folder, draw.randint(2, 3))
            time.sleep(draw.random() * 0.3)  # into a trial, or into writing its result
            process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        if process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(said)
        states.append(state(folder))
        if process.returncode == 0:
            return states
        times -= 1


def _wait_for_more(process, folder, more):
    """Until so many trainings have begun, beyond those before."""
    before = len(diary(folder, "begins"))
    while process.poll() is None and len(diary(folder, "begins")) < before + more:
        time.sleep(0.01)


def diary(folder, what):
    """list of the learning rates of the trainings that began, or that ended."""
    path = folder / "diary"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split()[1] for line in lines if line.startswith(what)]


def check(folder, states):
    """Raises AssertionError unless what is finished was kept, and never run again."""
    for before, after in itertools.pairwise(states):
        for name, trial in before.items():
            assert after[name] == trial, f"trial {name} was finished, and changed"
    assert len(states[-1]) == TRIALS, f"{len(states[-1])} trials ended well"
    begun = diary(folder, "begins")
    interrupted = len(begun) - len(set(begun))
    assert interrupted <= len(states) - 1, "a trial ran again that nobody killed"
    assert len(set(begun)) == TRIALS


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kill", type=int, default=5, help="times")
    parser.add_argument("--tuner", default="random")
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    if options.folder:
        run(options.folder, options.tuner)
    else:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            states = kill(folder, options.kill, options.tuner)
            check(folder, states)
            began = len(diary(folder, "begins"))
        finished = ", ".join(str(len(one)) for one in states)
        print(f"finished after each process: {finished}; trainings begun: {began}")
