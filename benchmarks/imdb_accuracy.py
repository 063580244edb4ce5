"""What a small pretrained encoder learns of IMDb, on the official test reviews.

    python benchmarks/imdb_accuracy.py --preset FOLDER --data-dir aclImdb

The encoder (a folder of Hugging Face or a preset; MiniLM of 22 million weights in what was
measured) is fine-tuned on 25,000 reviews of at most 256 tokens, and tested on the 25,000.
Long reviews lose their middles: the last sentences tell more than those in between. Two epochs
take three quarters of an hour on two cores with bfloat16.
"""

import argparse
import os
import pathlib
import time


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", type=pathlib.Path, required=True)
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--dtype", default="mixed_bfloat16")
    parser.add_argument("--truncate", default="middle", help="or round_robin: the ends")
    parser.add_argument("--batches", type=int, help="of each split, for a try")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    import keras_nlp_lite as knl

    keras.utils.set_random_seed(1)
    read = knl.data.read_directory
    train = read(options.data_dir / "train", batch_size=16, seed=1)
    # Mixed, so that a few batches hold both classes.
    test = read(options.data_dir / "test", batch_size=64, seed=1)
    if options.batches:
        train, test = train.take(options.batches), test.take(options.batches)

    preprocessor = knl.models.TextClassifierPreprocessor.from_preset(
        options.preset, sequence_length=256, truncate=options.truncate
    )
    backbone = knl.models.Backbone.from_preset(options.preset, dtype=options.dtype)
    model = knl.models.TextClassifier(
        backbone, 2, preprocessor=preprocessor, pooling="mean"
    )
    schedule = {"schedule": "linear", "warmup": 0.06, "layer_decay": 0.9}
    model.compile(knl.training.optimizer("adamw", options.rate, **schedule))
    start = time.perf_counter()
    model.fit(train, epochs=options.epochs)
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes of fit")
    found = model.evaluate(test, return_dict=True)
    print(f"{found['accuracy']:.4f} of the test reviews")


if __name__ == "__main__":
    main()
