"""How many words of English a small pretrained encoder tags right, on sentences held out.

    python benchmarks/tagging_accuracy.py --preset FOLDER --data-dir ewt_pos

The encoder (a folder of Hugging Face or a preset; MiniLM of 22 million weights in what was
measured) is fine-tuned on the parts of speech of `train.conll.gz`, and tested on those of
`dev.conll.gz`, word by word.
"""

from fine_tuning import fit, parser_of, part_of


def main():
    options = parser_of(__doc__, rate=3e-4).parse_args()
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
    preprocessor = knl.models.TokenClassifierPreprocessor.from_preset(
        options.preset, sequence_length=128
    )
    backbone = knl.models.Backbone.from_preset(options.preset, dtype=options.dtype)
    model = knl.models.TokenClassifier(backbone, train.class_names, preprocessor)
    fit(model, train, options)
    right = total = 0
    # `evaluate` would leave out the words that are cut; `predict` reads them, too.
    for words, tags in part_of(test, options):
        wanted = tags.flat_values.numpy().astype(str)
        found = model.predict(words, verbose=0).flat_values.numpy().argmax(-1)
        right += np.count_nonzero(np.array(model.labels)[found] == wanted)
        total += len(wanted)
    print(f"{right / total:.4f} of {total:,} words")


if __name__ == "__main__":
    main()
