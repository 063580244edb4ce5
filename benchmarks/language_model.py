"""A byte-pair language model in a given time, beside the same model in KerasHub.

    python benchmarks/language_model.py --corpus imdb_unsup.txt.gz --minutes 30

Both have GPT-2's shape with 4 layers of 256, a vocabulary of 8,000 byte pairs, texts of at most
256 tokens, the same optimizer and rate, and 16 texts a batch. Both train at the same time, each
in a process on a core of its own, on the same texts in the same order, for so many minutes of
processor time: on a quiet machine those of the clock, and fair on a busy one. Every tenth of the
time, which does not count it, each scores 200 reviews that it never sees: perplexity a token,
and bits a byte of text.

KerasHub gets its batches as its preprocessor makes them, padded, but tokenized by us, beforehand:
its own tokenizer would take most of the time. XLA is off, its faster way here. It is needed
beside this package: pip install -e ".[peers,tokenizers]".
"""

import argparse
import gzip
import json
import multiprocessing
import os
import pathlib
import tempfile
import time

LENGTH, BATCH, VOCABULARY, HELD_OUT = 256, 16, 8_000, 200
SIZE = {
    "vocabulary_size": VOCABULARY,
    "num_layers": 4,
    "num_heads": 4,
    "hidden_dim": 256,
    "intermediate_dim": 1024,
    "dropout": 0.0,
    "max_sequence_length": LENGTH,
}
PEAK = 1e-3  # the learning rate, after 100 steps of warm-up


def read(corpus):
    """(texts to train on, texts held out)"""
    with gzip.open(corpus, "rt", encoding="utf-8") as file:
        texts = [line.rstrip("\n") for line in file if line.strip()]
    return texts[HELD_OUT:], texts[:HELD_OUT]


def preprocessor_of(folder):
    from keras_nlp_lite import tokenizers
    from keras_nlp_lite.models import CausalLMPreprocessor

    tokenizer = tokenizers.gpt2_from_folder(folder)
    return CausalLMPreprocessor(tokenizer, LENGTH)


def ours(preprocessor):
    """(model, Dataset of strings -> Dataset to train on)"""
    from keras_nlp_lite.models import CausalLM, GPT2Backbone

    model = CausalLM(GPT2Backbone(**SIZE), preprocessor)
    return model, lambda texts: texts


def keras_hub(preprocessor):
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(**SIZE)
    model = keras_hub.models.GPT2CausalLM(backbone)
    return model, lambda texts: texts.map(preprocessor).prefetch(4)


MAKERS = {"ours": ours, "keras_hub": keras_hub}


def race(name, core, corpus, folder, minutes, results):
    """Trains one of them, and puts its curve into `results`."""
    os.sched_setaffinity(0, {core})
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    keras.utils.set_random_seed(1)
    texts, held_out = read(corpus)
    preprocessor = preprocessor_of(folder)
    model, prepared = MAKERS[name](preprocessor)
    rate = keras.optimizers.schedules.PolynomialDecay(PEAK / 100, 100, PEAK)
    model.compile(keras.optimizers.Adam(rate), jit_compile=False)
    order = np.random.default_rng(1).permutation(len(texts))
    batches = tf.data.Dataset.from_tensor_slices([texts[i] for i in order])
    batches = prepared(batches.batch(BATCH).repeat())

    scored = tf.data.Dataset.from_tensor_slices(held_out).batch(20).map(preprocessor)
    size = 0
    for _, ids, weights in scored:
        kept = preprocessor.generate_postprocess(
            {"token_ids": ids, "padding_mask": weights > 0}
        )
        size += int(tf.reduce_sum(tf.strings.length(kept)))

    @tf.function
    def losses(features, ids, weights):
        logits = tf.cast(model(features, training=False), tf.float32)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)
        return tf.reduce_sum(each * tf.cast(weights, tf.float32))

    def score():
        total = sum(float(losses(*batch)) for batch in scored)
        tokens = sum(float(tf.reduce_sum(weights)) for _, _, weights in scored)
        return np.exp(total / tokens), total / np.log(2) / size

    class Clock(keras.callbacks.Callback):
        spent, steps = 0.0, 0
        curve = []

        def on_train_begin(self, logs=None):
            self.began = time.process_time()

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            now = self.spent + time.process_time() - self.began
            if now >= 6 * minutes * (len(self.curve) + 1):
                perplexity, bits = score()
                point = (now / 60, self.steps, float(perplexity), float(bits))
                self.curve.append(point)
                print(
                    f"{name:10} {point[0]:5.1f} min {self.steps:6} steps  perplexity "
                    f"{perplexity:7.1f}  {bits:.3f} bits a byte",
                    flush=True,
                )
                self.spent, self.began = now, time.process_time()
            self.model.stop_training = len(self.curve) >= 10

    clock = Clock()
    model.fit(batches, steps_per_epoch=10**6, verbose=0, callbacks=[clock])
    results.put((name, clock.curve))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--json", help="a file for the curves")
    options = parser.parse_args()

    from keras_nlp_lite import tokenizers

    texts, _ = read(options.corpus)
    vocabulary, merges = tokenizers.compute_byte_pair_vocabulary(
        texts, VOCABULARY, special_tokens=["<|endoftext|>"], max_bytes=20_000_000
    )
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = tokenizers.GPT2Tokenizer(vocabulary, merges)
        tokenizers.gpt2_to_folder(tokenizer, folder)
        racers = [
            context.Process(
                target=race,
                args=(name, core, options.corpus, folder, options.minutes, results),
            )
            for core, name in enumerate(MAKERS)
        ]
        for racer in racers:
            racer.start()
        curves = dict(results.get() for _ in racers)
        for racer in racers:
            racer.join()
    last = {name: curve[-1] for name, curve in curves.items()}
    print(f"\nAfter {options.minutes:g} minutes on a core each:")
    for name, (_, steps, perplexity, bits) in last.items():
        print(f"  {name:10} {steps:6} steps  {perplexity:7.1f}  {bits:.3f} bits a byte")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(curves, file, indent=2)


if __name__ == "__main__":
    main()
