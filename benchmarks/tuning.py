"""What a search finds, what it costs, and whether it survives.

    python benchmarks/tuning.py --data-dir aclImdb             # searches side by side
    python benchmarks/tuning.py --data-dir aclImdb --long      # against the defaults
    python benchmarks/tuning.py --kill                         # killed five times
    python benchmarks/tuning.py --memory                       # after 2 trials, and 20

Searches side by side, all on one space of `BagOfNgramsClassifier` (size of the n-grams,
weighting, learning rate), 5,000 training reviews, of which 1,250 validate, and all 25,000
to test: a grid; Bayesian optimization with early stopping; and population-based training
on Ray (left out where Ray is not there). Minutes are those of the search alone.

--long: 20 trials or 20 minutes, whatever comes first, over the whole default space, against
`BagOfNgramsClassifier` and `fit` as they come, and against them with a search's ten epochs.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).parents[1]
EXAMPLES = 5_000


def reviews(data_dir):
    """(train, val, test) of IMDb: even samples of the classes."""
    import itertools

    texts = {}
    for part, most in (("train", EXAMPLES), ("test", 25_000)):
        rows = []
        for label, name in enumerate(("neg", "pos")):
            files = sorted((data_dir / part / name).glob("*.txt"))
            step = max(1, 2 * len(files) // most)
            chosen = itertools.islice(files[::step], most // 2)
            rows.append([(path.read_text(), label) for path in chosen])
        texts[part] = [row for pair in zip(*rows) for row in pair]
    held_out = EXAMPLES // 4
    parts = texts["train"][held_out:], texts["train"][:held_out], texts["test"]
    return [knl_dataset(part, shuffle=i == 0) for i, part in enumerate(parts)]


def knl_dataset(rows, shuffle):
    import tensorflow as tf

    texts, labels = zip(*rows)
    data = tf.data.Dataset.from_tensor_slices((list(texts), list(labels)))
    return (data.shuffle(len(rows), seed=1) if shuffle else data).batch(32)


def side_by_side(data_dir, folder):
    import keras_nlp_lite as knl

    train, val, test = reviews(data_dir)
    common = {"objective": "val_accuracy", "direction": "max", "epochs": 10}
    # A grid takes of the rate its ends and its middle.
    space = knl.tuning.space(
        knl.models.BagOfNgramsClassifier,
        num_classes=2,
        defaults=False,
        ngrams=[1, 2, 3],
        mode=["multi_hot", "tf_idf", "log_count_ratio"],
        learning_rate=(1e-3, 3e-2, "log"),
    )

    def grid():
        return knl.tuning.search(
            *(space, train, val),
            tuner="grid",
            max_trials=27,
            early_stop=False,
            directory=folder / "grid",
            **common,
        )

    def bayesian():
        return knl.tuning.search(
            *(space, train, val),
            tuner="bayesian",
            max_trials=15,
            early_stop=2,
            directory=folder / "bayesian",
            **common,
        )

    def population():
        return knl.tuning.search_on_ray(
            *(space, train, val),
            scheduler="pbt",
            max_trials=8,
            perturb_every=2,
            directory=folder / "population",
            verbose=0,
            **common,
        )

    found = {}
    for name, run in (
        ("grid", grid),
        ("Bayesian", bayesian),
        ("population", population),
    ):
        start = time.perf_counter()
        try:
            result = run()
        except ImportError as error:
            print(f"{name}: {error}")
            continue
        found[name] = row(result, time.perf_counter() - start, test)
    show(found)
    return found


def long(data_dir, folder, trials, budget):
    import keras

    import keras_nlp_lite as knl

    train, val, test = reviews(data_dir)
    found = {}
    for name, epochs in (("defaults, 5 epochs", 5), ("defaults, 10 epochs", 10)):
        keras.utils.set_random_seed(0)
        start = time.perf_counter()
        model = knl.models.BagOfNgramsClassifier(num_classes=2)
        model.adapt(train)
        history = model.fit(train, validation_data=val, epochs=epochs, verbose=0)
        found[name] = {
            "trials": 1,
            "validation": history.history["val_accuracy"][-1],
            "test": accuracy(model, test),
            "minutes": (time.perf_counter() - start) / 60,
        }
    start = time.perf_counter()
    result = knl.tuning.search(
        knl.tuning.space(knl.models.BagOfNgramsClassifier, num_classes=2),
        train,
        val,
        objective="val_accuracy",
        direction="max",
        tuner="bayesian",
        max_trials=trials,
        budget=budget,
        directory=folder / "long",
    )
    found["tuned"] = row(result, time.perf_counter() - start, test)
    show(found)
    return found


def row(result, seconds, test):
    return {
        "trials": len(result.trials),
        "validation": result.best_score,
        "test": accuracy(result.best_model(), test),
        "minutes": seconds / 60,
        "arguments": result.best_trial().values,
    }


def accuracy(model, test):
    return model.evaluate(test, return_dict=True, verbose=0)["accuracy"]


def show(found):
    print(f"{'':20} trials  validation    test  minutes")
    for name, one in found.items():
        print(
            f"{name:20} {one['trials']:6}  {one['validation']:10.4f}  {one['test']:.4f}"
            f"  {one['minutes']:7.2f}  {one.get('arguments', '')}"
        )


def memory(trials):
    """Megabytes that the process holds when a search of 2 trials is over, and when one
    of so many is."""
    import keras_nlp_lite as knl

    held = {}
    with tempfile.TemporaryDirectory() as folder:
        made = knl.data.write_sample_reviews(f"{folder}/reviews", examples=1000)
        train, val = knl.data.read_directory(f"{made}/train", validation_split=0.2)
        space = knl.tuning.space(
            knl.models.TransformerClassifier, num_classes=2, sequence_length=80
        )
        for most in (2, trials):
            knl.tuning.search(
                space,
                train,
                val,
                objective="val_accuracy",
                direction="max",
                max_trials=most,
                epochs=2,
                directory=f"{folder}/search",
            )
            pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
            held[most] = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
            print(f"after {most} trials: {held[most]:.0f} MB")
    print(f"{held[trials] / held[2]:.2f} x")
    return held


def kill(times):
    program = REPOSITORY / "tests" / "tuning" / "killed_search.py"
    subprocess.run([sys.executable, program, "--kill", str(times)], check=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=pathlib.Path)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--budget", default="20m")
    parser.add_argument("--folder", type=pathlib.Path, help="for the searches")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not (options.kill or options.memory or options.data_dir):
        parser.error("--data-dir is missing: the folder with train/ and test/.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or pathlib.Path(scratch)
        if options.kill:
            found = kill(5)
        elif options.memory:
            found = memory(options.trials)
        elif options.long:
            found = long(options.data_dir, folder, options.trials, options.budget)
        else:
            found = side_by_side(options.data_dir, folder)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
