"""Which settings suit my texts? Let a search find out, and know what it cost.

A classifier has a dozen arguments, and each has values that others found useful. Trying
them by hand, one after the other, takes an afternoon and finds the first hill. Here a
search does it: it trains a fresh model for each trial, remembers every trial on disk, and
goes on where it was if it is killed.

    python guides/tune_a_classifier.py
    python guides/tune_a_classifier.py --data-dir ~/data/aclImdb --trials 20 --budget 20m
"""

import argparse
import pathlib

import keras
from rich.console import Console

import keras_nlp_lite as knl

parser = argparse.ArgumentParser()
parser.add_argument(
    "--data-dir", type=pathlib.Path, help="holds train/ and test/, with class folders"
)
parser.add_argument("--trials", type=int, help="of each search")
parser.add_argument("--budget", help="of each search, as in 20m; none by default")
parser.add_argument(
    "--small", action="store_true", help="a try in seconds, badly trained"
)
parser.add_argument("--work-dir", type=pathlib.Path, default="runs/tune_a_classifier")
options = parser.parse_args()

trials = options.trials or (3 if options.small else 15)
epochs = 2 if options.small else 10
say = Console(width=100).print

"""
## The data

Three parts, each for one question. The training texts: which weights? The validation
texts: which settings? The test texts are asked once, at the end: how good is it really?
Who picks the best of twenty trials by the test texts has picked what suits those, too.
"""

reviews = options.data_dir or knl.data.write_sample_reviews(
    options.work_dir / "reviews", examples=200 if options.small else 2000
)
train, val = knl.data.read_directory(
    pathlib.Path(reviews) / "train",
    class_names=["neg", "pos"],
    validation_split=0.3,
    seed=1,
)
test = knl.data.read_directory(
    pathlib.Path(reviews) / "test", class_names=["neg", "pos"], shuffle=False
)


def accuracy(model):
    return model.evaluate(test, return_dict=True, verbose=0)["accuracy"]


"""
## What to beat

The model as it comes, trained for as long as a trial may train.
"""

keras.utils.set_random_seed(1)
untuned = knl.models.BagOfNgramsClassifier(num_classes=2)
untuned.adapt(train)
untuned.fit(train, epochs=epochs, verbose=0)
rows = {"defaults": accuracy(untuned)}

"""
## A space

What may vary, and from where to where. The ranges that are usual for the model are there
by default; whatever is named is as it is said: a value is fixed, a list is a choice, a
tuple is a range. A learning rate is searched by its logarithm: from 0.001 to 0.01 is as
far as from 0.01 to 0.1.
"""

space = knl.tuning.space(
    knl.models.BagOfNgramsClassifier,
    num_classes=2,
    ngrams=[1, 2, 3],
    learning_rate=(1e-3, 1e-1, "log"),
    min_frequency=1,
)
say(str(space))

"""
## A search

The first trial has the defaults, so that the best is no worse than they are on the
validation texts. Others are drawn at random, or, with tuner="bayesian", where the
earlier ones say that it is worth while. `directory` holds everything: run this script
again, and finished trials are not run again.
"""

result = knl.tuning.search(
    space,
    train,
    val,
    objective="val_accuracy",
    direction="max",
    tuner="bayesian",
    max_trials=trials,
    epochs=epochs,
    budget=options.budget,
    directory=options.work_dir / "one",
    verbose=0,
)
say(result.table(5))

"""
The model of the best trial's best epoch is there, with its vocabulary. It takes texts.
"""

tuned = result.best_model()
rows["tuned"] = accuracy(tuned)
say(
    dict(
        zip(["neg", "pos"], tuned.predict(["not a dull minute"], verbose=0)[0].tolist())
    )
)

"""
## What does accuracy cost?

The most accurate trial may be the slowest to answer, or a file of many megabytes. With
several objectives a search looks for all trials that no other beats in every respect: the
Pareto front. Which of them to take is not the search's to say.
"""

compromises = knl.tuning.search(
    space,
    train,
    val,
    objective=["val_accuracy", "size"],
    direction=["max", "min"],
    max_trials=trials,
    epochs=epochs,
    budget=options.budget,
    directory=options.work_dir / "two",
    verbose=0,
)
for trial in compromises.pareto_front():
    found = trial.metrics
    say(
        f"{found['val_accuracy']:.4f} right, {found['size']:.2f} MB, "
        f"{found['parameters']:,.0f} weights"
    )
compromises.plot(options.work_dir / "front.svg")
smallest = compromises.pareto_front()[-1]
rows["smallest on the front"] = accuracy(compromises.model_of(smallest))

"""
## How good is it really?
"""

for name, value in rows.items():
    say(f"{name:24} {value:.4f} of the test texts right")
say(f"All trials, by their arguments: tensorboard --logdir {options.work_dir}")

"""
What to conclude:

- **Say the objective and its direction.** "val_accuracy" at a trial's best epoch is a
  choice; "val_loss", and a metric of your own, are others.
- **A search is as good as its validation texts are many.** With 600 of them, half a point
  between two trials is noise, and `executions=3` shows how much of it is the seed's.
- **Fix what you know.** Each argument that varies without need takes trials away from
  those that matter. `space(..., defaults=False, learning_rate=(1e-4, 1e-2, "log"))` varies
  nothing else.
- **Few trials: "random" or "bayesian". Long trainings: "hyperband"**, which spends most of
  the time on those that begin well.
"""
