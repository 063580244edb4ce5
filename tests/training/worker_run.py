"""A run of several workers, one of which dies in the middle if it is told to.

python tests/training/worker_run.py FOLDER DYING_WORKER|none
"""

import os
import pathlib
import signal
import sys

import keras

from keras_nlp_lite.models import AveragedEmbeddingClassifier
from keras_nlp_lite.training.distribute import distribute
from keras_nlp_lite.training.resumable_run import ResumableRun
from keras_nlp_lite.workers import WORKER
from tests.training.parity_run import joined, labels

EPOCHS, DEATH = 3, 16  # batches, ten of which are an epoch


def train(folder, worker="0", dying="none"):
    keras.utils.set_random_seed(7)
    model = AveragedEmbeddingClassifier(2, max_tokens=30, dropout=0.0)
    model.adapt(joined())
    model.compile(keras.optimizers.Adam(0.01), steps_per_execution=1)

    class Diary(keras.callbacks.Callback):
        batches = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            with open(folder / f"losses-{worker}", "a", encoding="utf-8") as file:
                file.write(f"{self.epoch}.{batch} {logs['loss']}\n")
            self.batches += 1
            if worker == dying and self.batches == DEATH:
                os.kill(os.getpid(), signal.SIGKILL)

    run = ResumableRun(folder / "run", every_steps=4)
    model.fit(
        joined(),
        labels(),
        batch_size=8,
        epochs=EPOCHS,
        callbacks=[run, Diary()],
        verbose=0,
    )


def main():
    distribute("auto")
    train(pathlib.Path(sys.argv[1]), os.environ.get(WORKER, "0"), dying=sys.argv[2])


if __name__ == "__main__":
    main()
