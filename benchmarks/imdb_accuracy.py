"""What a small pretrained encoder learns of IMDb, on the official test reviews.

    python benchmarks/imdb_accuracy.py --preset FOLDER --data-dir aclImdb

The encoder (a folder of Hugging Face or a preset; MiniLM of 22 million weights in what was
measured) is fine-tuned on 25,000 reviews of at most 256 tokens, and tested on the 25,000.
Long reviews lose their middles: the last sentences tell more than those in between. Two epochs
take three quarters of an hour on two cores with bfloat16.
"""

from fine_tuning import fit, parser_of, part_of


def main():
    parser = parser_of(__doc__, rate=1e-4)
    parser.add_argument("--truncate", default="middle", help="or round_robin: the ends")
    options = parser.parse_args()
    import keras

    import keras_nlp_lite as knl

    keras.utils.set_random_seed(1)
    read = knl.data.read_directory
    train = read(options.data_dir / "train", batch_size=16, seed=1)
    # Mixed, so that a few batches hold both classes.
    test = read(options.data_dir / "test", batch_size=64, seed=1)

    preprocessor = knl.models.TextClassifierPreprocessor.from_preset(
        options.preset, sequence_length=256, truncate=options.truncate
    )
    backbone = knl.models.Backbone.from_preset(options.preset, dtype=options.dtype)
    model = knl.models.TextClassifier(
        backbone, 2, preprocessor=preprocessor, pooling="mean"
    )
    fit(model, train, options)
    found = model.evaluate(part_of(test, options), return_dict=True)
    print(f"{found['accuracy']:.4f} of the test reviews")


if __name__ == "__main__":
    main()
