"""How many words of English a small pretrained encoder tags right, on sentences held out.

    python benchmarks/tagging_accuracy.py --preset FOLDER --data-dir ewt_pos

The encoder (a folder of Hugging Face or a preset; MiniLM of 22 million weights in what was
measured) is fine-tuned on the parts of speech of `train.conll.gz`, and tested on those of
`dev.conll.gz`, word by word.
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
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--dtype", default="mixed_bfloat16")
    parser.add_argument("--batches", type=int, help="of each split, for a try")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    import keras_nlp_lite as knl

    keras.utils.set_random_seed(1)
    train = knl.data.read_conll(
        options.data_dir / "train.conll.gz", batch_size=32, seed=1
    )
    test = knl.data.read_conll(
        options.data_dir / "dev.conll.gz", batch_size=64, shuffle=False
    )
    labels = train.class_names
    if options.batches:
        train, test = train.take(options.batches), test.take(options.batches)

    preprocessor = knl.models.TokenClassifierPreprocessor.from_preset(
        options.preset, sequence_length=128
    )
    backbone = knl.models.Backbone.from_preset(options.preset, dtype=options.dtype)
    model = knl.models.TokenClassifier(backbone, labels, preprocessor)
    schedule = {"schedule": "linear", "warmup": 0.06, "layer_decay": 0.9}
    model.compile(knl.training.optimizer("adamw", options.rate, **schedule))
    start = time.perf_counter()
    model.fit(train, epochs=options.epochs)
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes of fit")
    right = total = 0
    for words, tags in test:
        wanted = tags.flat_values.numpy().astype(str)
        found = model.predict(words, verbose=0).flat_values.numpy().argmax(-1)
        right += np.count_nonzero(np.array(labels)[found] == wanted)
        total += len(wanted)
    print(f"{right / total:.4f} of {total:,} words")


if __name__ == "__main__":
    main()
