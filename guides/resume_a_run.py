"""What if the machine dies in the middle of training?

Then the same script is started again, and goes on. One callback does it: it keeps
checkpoints of everything that training depends on. Here a process is killed, with no
chance to clean up, and a second one takes over. What they print together is compared
with what a process prints that was left alone.

    python guides/resume_a_run.py
"""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--small", action="store_true", help="a try in seconds")
parser.add_argument("--work-dir", type=pathlib.Path, default="runs/resume_a_run")
parser.add_argument("--train", type=pathlib.Path, help="be the training script, here")
parser.add_argument("--die-after", type=int, default=0, help="batches")
options = parser.parse_args()

"""
## The training script

Nothing in it knows of a second start, but for the callback. The seed is set in front of
everything that draws random numbers, the data and the model, so that a second process
shuffles as the first did. (In a script for several devices, it stands right behind
`knl.training.distribute`.) The model has dropout, the data is shuffled anew each epoch, the learning rate falls
to nothing at the end of the planned epochs: all of it has to go on where it was.
"""


def train(folder, die_after):
    import keras

    import keras_nlp_lite as knl
    from keras_nlp_lite.training.resumable_run import ResumableRun

    keras.utils.set_random_seed(1)
    reviews = knl.data.write_sample_reviews(
        options.work_dir / "reviews", examples=100 if options.small else 1000
    )
    data = knl.data.read_directory(os.path.join(reviews, "train"), batch_size=10)
    model = knl.models.AveragedEmbeddingClassifier(num_classes=2, dropout=0.5)
    model.adapt(data)
    model.compile(
        knl.optimizers.AdamW(knl.optimizers.PlannedDecay(0.01)),
        steps_per_execution=1,  # callbacks hear of each batch
    )
    run = ResumableRun(folder / "run", every_steps=3)
    model.fit(data, epochs=4, verbose=0, callbacks=[run, Diary(folder, die_after)])


"""
The diary writes down each loss, to the last bit, and pulls the plug if it is told to:
SIGKILL cannot be caught, so that nothing is saved at this moment.
"""


def Diary(folder, die_after):
    import keras

    class Diary(keras.callbacks.Callback):
        batches = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            with open(folder / "losses.txt", "a") as file:
                file.write(
                    f"epoch {self.epoch + 1}, batch {batch}: {logs['loss'].hex()}\n"
                )
            self.batches += 1
            if self.batches == die_after:
                os.kill(os.getpid(), signal.SIGKILL)

    return Diary()


if options.train:
    train(options.train, options.die_after)
    sys.exit()

"""
## Three processes

One that dies after 13 batches, one that takes over, and one that nobody disturbs.
"""


def start(folder, die_after=0):
    """Runs the training script in a process of its own: how it ended, and its losses."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--work-dir", options.work_dir]
    command += ["--small"] if options.small else []
    command += ["--train", folder, "--die-after", str(die_after)]
    status = subprocess.run(command, check=False).returncode
    return status, (folder / "losses.txt").read_text().splitlines()


disturbed, alone = options.work_dir / "disturbed", options.work_dir / "alone"
for folder in (disturbed, alone):
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier try

status, first = start(disturbed, die_after=13)
assert status == -signal.SIGKILL
print(f"The first process died after {len(first)} batches.")
print("It left", *sorted(path.name for path in (disturbed / "run").iterdir()))

status, both = start(disturbed)
assert status == 0
second = both[len(first) :]
print(f"The second trained {len(second)} batches, from:", second[0])

status, whole = start(alone)
assert status == 0

"""
## Are they the same?

The batches after the last checkpoint were trained twice, with the same losses. Taken
together, the two processes tell what the third tells, in each bit of each loss.
"""

assert set(both) == set(whole)
print(f"All {len(whole)} losses are those of the process that was left alone.")

"""
What to conclude:

- **Set the seed, give the callback, start the script again.** A job that Slurm or
  Kubernetes ends and queues anew needs nothing else: on SIGTERM the callback saves and
  ends the process with status 143. Started once more, a run that is over trains nothing.
- **Each epoch's end is kept, whatever the arguments.** `every_steps` and `every_minutes` add
  checkpoints within an epoch; an epoch that is shorter has none.
- **A checkpoint costs what the disk takes** to write the weights and the optimizer's two
  moments of them: for BERT-base 1.3 GB. `every_minutes=10` bounds what is lost
  without anybody counting steps.
- **A full disk or a damaged file ends nothing.** Training goes on with a warning; of two
  checkpoints (`keep=2`) the older one is there if the newer cannot be read.
"""
