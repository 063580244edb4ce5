"""The baselines on IMDb, beside plain Keras and scikit-learn, in one run.

Every contender is a process of its own, from text files to test accuracy, imports
included; what is timed takes turns, so that a machine whose speed drifts is fair to
all. Prints a table and writes JSON.

    python benchmarks/baselines.py --data-dir DIR --repeats 3

DIR holds `imdb.tar.gz` or its folder `aclImdb`. Needs the extra `bench`.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

EPOCHS = {"lstm": 3}  # five otherwise


# ---- Ours ----


def ours(data, model, epochs, **settings):
    import keras_nlp_lite as knl

    train = knl.data.read_directory(data / "train", seed=1)  # opens TensorFlow
    import keras

    test = knl.data.read_directory(data / "test", shuffle=False)
    keras.utils.set_random_seed(1)
    classifier = getattr(knl.models, model)(num_classes=2, **settings)
    classifier.adapt(train)
    classifier.compile()
    classifier.fit(train, epochs=epochs, verbose=0)
    scores = classifier.evaluate(test, return_dict=True, verbose=0)
    return scores["accuracy"], classifier.count_params()


OURS = {
    "unigram": ("BagOfNgramsClassifier", {"max_tokens": 10_000}),
    "bigram": ("BagOfNgramsClassifier", {"max_tokens": 20_000, "ngrams": 2}),
    "log_count_ratio": (
        "BagOfNgramsClassifier",
        {"max_tokens": None, "ngrams": 2, "mode": "log_count_ratio"},
    ),
    "average": ("AveragedEmbeddingClassifier", {"max_tokens": 10_000}),
    "lstm": ("RecurrentClassifier", {"max_tokens": 10_000}),
}


# ---- The peers, as their own users write them ----


def plain_keras(data, model, epochs, cache):
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(1)
    read = keras.utils.text_dataset_from_directory
    train = read(data / "train", batch_size=32, seed=1, verbose=False)
    test = read(data / "test", batch_size=32, verbose=False)
    texts = train.map(lambda text, label: text)
    if model in ("unigram", "bigram"):
        max_tokens, ngrams = {"unigram": (10_000, 1), "bigram": (20_000, 2)}[model]
        vectorize = layers.TextVectorization(
            max_tokens=max_tokens, ngrams=ngrams, output_mode="multi_hot"
        )
        inputs = keras.Input((max_tokens,))
        outputs = layers.Dense(1, activation="sigmoid")(inputs)
    else:
        vectorize = layers.TextVectorization(
            max_tokens=10_000, output_sequence_length=250
        )
        inputs = keras.Input((250,), dtype="int64")
        x = layers.Embedding(10_000, 32, mask_zero=True)(inputs)
        if model == "average":
            x = layers.Dropout(0.5)(x)
            x = layers.GlobalAveragePooling1D()(x)
        else:
            x = layers.Bidirectional(layers.LSTM(32))(x)
            x = layers.Dropout(0.5)(x)
        outputs = layers.Dense(1, activation="sigmoid")(x)
    vectorize.adapt(texts)
    classifier = keras.Model(inputs, outputs)
    classifier.compile("adam", "binary_crossentropy", metrics=["accuracy"])

    def prepare(text, label):
        return vectorize(text), label

    train = train.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    test = test.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    if cache:
        train = train.cache()
    classifier.fit(train.prefetch(tf.data.AUTOTUNE), epochs=epochs, verbose=0)
    scores = classifier.evaluate(test, return_dict=True, verbose=0)
    return scores["accuracy"], classifier.count_params()


def scikit_learn(data):
    from sklearn.datasets import load_files
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train = load_files(data / "train", encoding="utf-8")
    test = load_files(data / "test", encoding="utf-8")
    classifier = make_pipeline(
        CountVectorizer(ngram_range=(1, 2), max_features=20_000),
        LogisticRegression(max_iter=1000),
    )
    classifier.fit(train.data, train.target)
    weights = classifier[-1].coef_.size + 1
    return classifier.score(test.data, test.target), weights


# ---- One contender a process ----


def run_here(name, data):
    """Runs one contender in this process, and prints its result as a line of JSON."""
    who, model = name.split(":")
    if who != "sklearn":
        # Keras imports scikit-learn where it is installed, which takes a second and 60
        # MB. It is here for its own sake, and neither Keras program needs it.
        sys.modules["sklearn"] = None
    epochs = EPOCHS.get(model, 5)
    if who == "ours":
        cls, settings = OURS[model]
        accuracy, weights = ours(data, cls, epochs, **settings)
    elif who == "sklearn":
        accuracy, weights = scikit_learn(data)
    else:
        accuracy, weights = plain_keras(data, model, epochs, who == "keras-cached")
    print(json.dumps({"accuracy": float(accuracy), "weights": int(weights)}))


def run_apart(name, data):
    """Runs one contender in a new process: its result, wall seconds and peak memory."""
    command = [sys.executable, __file__, "--data-dir", str(data), "--one", name]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{name} failed:\n{err.decode()}")
    result = json.loads(out.splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime
    return {**result, "seconds": seconds, "cpu": cpu, "peak_mb": usage.ru_maxrss / 1024}


def unpacked(folder):
    """The folder `aclImdb`, unpacked to a temporary place where there is only its tar."""
    for place in (folder, folder / "aclImdb"):
        if (place / "train").is_dir():
            return place
    archive = folder / "imdb.tar.gz"
    if not archive.exists():
        raise SystemExit(f"{folder} holds neither aclImdb nor imdb.tar.gz.")
    target = pathlib.Path(tempfile.mkdtemp(prefix="imdb-"))
    print(f"Unpacking {archive} to {target}", flush=True)
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return target / "aclImdb"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--repeats", type=int, default=3, help="of the timed bigrams")
    parser.add_argument("--only", default="", help="run contenders of these models")
    parser.add_argument("--json", type=pathlib.Path, default="benchmarks/results")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_here(arguments.one, arguments.data_dir)
        return
    from rich.console import Console
    from rich.table import Table

    data = unpacked(arguments.data_dir)
    rounds = [
        "ours:bigram",
        "keras:bigram",
        "keras-cached:bigram",
        "sklearn:bigram",
    ] * arguments.repeats + [
        "ours:unigram",
        "keras:unigram",
        "ours:log_count_ratio",
        "ours:average",
        "keras:average",
        "ours:lstm",
        "keras:lstm",
    ]
    results = {}
    for name in rounds:
        if arguments.only and name.split(":")[1] not in arguments.only.split(","):
            continue
        result = run_apart(name, data)
        results.setdefault(name, []).append(result)
        print(f"{name:24}", json.dumps(result), flush=True)

    table = Table(title="IMDb, 25,000 reviews to train and 25,000 to test")
    for column in ("contender", "weights", "accuracy", "seconds", "of ours", "peak MB"):
        table.add_column(column, justify="left" if column == "contender" else "right")
    summary = {}
    for name, runs in results.items():
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        own = results.get("ours:" + name.split(":")[1])
        # Pair by pair: the machine's speed may change between rounds.
        ratio = (
            statistics.median(a["seconds"] / b["seconds"] for a, b in zip(runs, own))
            if own
            else None
        )
        summary[name] = {**row, "times_ours": ratio, "runs": runs}
        table.add_row(
            name,
            f"{row['weights']:,.0f}",
            f"{row['accuracy']:.4f}",
            f"{row['seconds']:.1f}",
            "" if ratio is None else f"{ratio:.2f} x",
            f"{row['peak_mb']:.0f}",
        )
    Console(width=100).print(table)
    arguments.json.mkdir(parents=True, exist_ok=True)
    path = arguments.json / "baselines.json"
    path.write_text(json.dumps(summary, indent=1))
    print(f"Written to {path}")


if __name__ == "__main__":
    main()
