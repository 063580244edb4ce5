"""A run that dies at a random moment.

The tests kill it once. To kill it more often, and compare, which takes minutes:

    python tests/training/killed_run.py --kill 20
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading


def train(folder, epochs, die_after=0):
    """Trains until it is over, or until shortly after so many batches."""
    import keras

    from keras_nlp_lite.training.resumable_run import ResumableRun
    from tests.training.resumed import classifier, dataset

    class Diary(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            nonlocal die_after
            with open(folder / "losses", "a", encoding="utf-8") as file:
                file.write(f"{self.epoch}.{batch} {logs['loss'].hex()}\n")
            die_after -= 1
            if die_after == 0:
                # Beside the loop: it may hit a step, or a checkpoint half written.
                delay = random.Random(batch).random() / 50
                threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

    keras.utils.set_random_seed(3)
    run = ResumableRun(folder / "run", every_steps=2)
    classifier().fit(dataset(), epochs=epochs, callbacks=[run, Diary()], verbose=0)


def losses(folder):
    """Set of lines, "epoch.batch loss", of all processes that trained in a folder."""
    return set((folder / "losses").read_text().splitlines())


def losses_of_a_whole_run(epochs):
    with tempfile.TemporaryDirectory() as folder:
        train(pathlib.Path(folder), epochs)
        return losses(pathlib.Path(folder))


def kill(folder, epochs, times):
    """Starts a run in a process of its own, again and again, the last time to its end.

    Returns:
        int, how often it was killed: fewer times where it was over before.
    """
    draw = random.Random(0)
    kills = 0
    while True:
        die_after = draw.randint(3, 8) if kills < times else 0
        settings = {"folder": folder, "epochs": epochs, "die-after": die_after}
        done = subprocess.run(
            [sys.executable, __file__, *(f"--{k}={v}" for k, v in settings.items())],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(done.stderr)
        if done.returncode == 0:
            return kills
        kills += 1


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kill", type=int, help="times")
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=14, help="of ten batches")
    parser.add_argument("--die-after", type=int, default=0, help="batches")
    options = parser.parse_args()
    if options.folder:
        train(options.folder, options.epochs, options.die_after)
    else:
        with tempfile.TemporaryDirectory() as folder:
            kills = kill(pathlib.Path(folder), options.epochs, options.kill)
            killed = losses(pathlib.Path(folder))
        whole = losses_of_a_whole_run(options.epochs)
        print(
            f"Killed {kills} times. {len(whole)} batches, "
            f"{len(killed ^ whole)} losses differ."
        )
        sys.exit(killed != whole or kills != options.kill)
