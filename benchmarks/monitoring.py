"""What it costs to watch: seconds of a training step with the monitoring callback, and
without.

    python benchmarks/monitoring.py            # a minute or two
    python benchmarks/monitoring.py --small    # a try in seconds

The small Transformer (`TransformerClassifier` with its defaults) and the bigram baseline
train on IMDb's reviews, or on such as `data.write_sample_reviews` makes where there are
none. Contenders are processes of their own, with the same data and seeds; their epochs
take turns, so that a machine whose speed drifts is fair to all. A step is an epoch's
time, from its begin to the end of its last batch, divided by its steps; an epoch's end,
with what is predicted and written then, is a figure of its own. The ratio is the median
over turns of with to without, turn by turn. The first epoch, which traces the step, does
not count.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import tempfile
import time

OPTIONS = {
    "no callback": None,
    "no callback again": None,  # how far two of the same lie apart
    "default": {},
    "update_freq=100": {"update_freq": 100},
    "health": {"health": True},
}
LIMITS = {"transformer": 1.02, "bigram": 1.05}  # of the default options


def contender(pipe, model, name, options, folder):
    """Trains; each epoch waits for its turn and tells its seconds."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    import keras

    import keras_nlp_lite as knl

    class Turns(keras.callbacks.Callback):
        """The first of the callbacks: its hooks run before those of the others."""

        def on_epoch_begin(self, epoch, logs=None):
            pipe.recv()
            self.start = time.perf_counter()

        def on_train_batch_begin(self, batch, logs=None):
            self.first = batch

    class TurnsEnd(keras.callbacks.Callback):
        """The last: its hooks run after those of the others."""

        def on_train_batch_end(self, batch, logs=None):
            self.end, self.steps = time.perf_counter(), batch + 1

        def on_epoch_end(self, epoch, logs=None):
            of_end = time.perf_counter() - self.end
            steps = min(self.steps, self.params["steps"])
            pipe.send(((self.end - turns.start) / steps, of_end))

    keras.utils.set_random_seed(0)
    train, val = knl.data.read_directory(
        folder, validation_split=0.2, seed=1, class_names=["neg", "pos"]
    )
    if model == "transformer":
        classifier = knl.models.TransformerClassifier(num_classes=2)
    else:
        classifier = knl.models.BagOfNgramsClassifier(2, max_tokens=20_000, ngrams=2)
    classifier.adapt(train)
    classifier.compile()
    turns = Turns()
    with tempfile.TemporaryDirectory() as log_dir:
        watch = []
        if options is not None:
            watch = [
                knl.monitoring.TensorBoard(log_dir, validation_data=val, **options)
            ]
        classifier.fit(
            train, epochs=1_000_000, verbose=0, callbacks=[turns, *watch, TurnsEnd()]
        )


def measure(model, folder, repeats):
    """{name: list of (seconds of a step, seconds of an epoch's end)}, by turn."""
    context = multiprocessing.get_context("spawn")
    processes, pipes = [], {}
    for name, options in OPTIONS.items():
        pipes[name], theirs = context.Pipe()
        process = context.Process(
            target=contender, args=(theirs, model, name, options, folder), daemon=True
        )
        process.start()
        processes.append(process)
    found = {name: [] for name in OPTIONS}
    for turn in range(-1, repeats):
        names = list(OPTIONS)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            pipes[name].send("your turn")
            times = pipes[name].recv()
            if turn >= 0:
                found[name].append(times)
    for process in processes:
        process.kill()
        process.join()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--data", type=pathlib.Path, help="aclImdb/train, or the like")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--models", default="transformer,bigram")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    repeats = 1 if arguments.small else arguments.repeats
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.data
        if folder is None:
            from keras_nlp_lite.data import write_sample_reviews

            examples = 200 if arguments.small else 4_000
            folder = write_sample_reviews(f"{scratch}/reviews", examples=examples)
            folder = pathlib.Path(folder) / "train"
        for model in arguments.models.split(","):
            found = measure(model, str(folder), repeats)
            plain = found["no callback"]
            print(f"\n{model}, medians of {repeats} epochs each, in turns")
            for name, times in found.items():
                ratios = [one[0] / other[0] for one, other in zip(times, plain)]
                step = statistics.median(time for time, _ in times)
                end = statistics.median(time for _, time in times)
                ratio = statistics.median(ratios)
                results[f"{model}, {name}"] = {
                    "milliseconds a step": 1e3 * step,
                    "ratio": ratio,
                    "ratios": ratios,
                    "milliseconds of an epoch's end": 1e3 * end,
                }
                wanted = f" (wanted: {LIMITS[model]:.2f})" if name == "default" else ""
                print(
                    f"  {name:18s} {1e3 * step:9.4f} ms a step, x {ratio:.4f}{wanted}; "
                    f"end of an epoch {1e3 * end:.0f} ms"
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
