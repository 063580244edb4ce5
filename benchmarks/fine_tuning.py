"""What programs share that fine-tune a small pretrained encoder: arguments, and training."""

import argparse
import os
import pathlib
import time


def parser_of(description, rate):
    """A parser of what all of them are told; TensorFlow, not imported yet, is silenced.

    Args:
        description: str, the program's, as it stands.
        rate: float, the peak learning rate where none is said.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", type=pathlib.Path, required=True)
    parser.add_argument("--data-dir", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--dtype", default="mixed_bfloat16")
    parser.add_argument("--batches", type=int, help="of each split, for a try")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return parser


def part_of(dataset, options):
    """A few batches of it for a try, else all."""
    return dataset.take(options.batches) if options.batches else dataset


def fit(model, train, options):
    """Trains with a falling rate, which is the lower the deeper a layer lies."""
    import keras_nlp_lite as knl

    schedule = {"schedule": "linear", "warmup": 0.06, "layer_decay": 0.9}
    model.compile(knl.training.optimizer("adamw", options.rate, **schedule))
    start = time.perf_counter()
    model.fit(part_of(train, options), epochs=options.epochs)
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes of fit")
