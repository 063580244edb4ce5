"""The baseline to beat: which n-grams a text holds, and a weight for each."""

import keras

from keras_nlp_lite.layers.n_gram_bag import NGramBag
from keras_nlp_lite.layers.sparse_linear import SparseLinear
from keras_nlp_lite.tasks.classifier import Classifier


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BagOfNgramsClassifier(Classifier):
    """Logistic regression on a bag of n-grams.

    With 20,000 bigrams and two classes it has 20,001 weights, trains in seconds, and
    is hard to beat where texts are long and training texts few.

    Args:
        num_classes: C.
        max_tokens: How many n-grams; None for all. See `layers.NGramBag`.
        ngrams: n for n-grams of 1 to n tokens, or a tuple of sizes.
        mode: "multi_hot", "count", "tf_idf" or "log_count_ratio".
        standardize: As in `layers.NGramBag`.
        split: As in `layers.NGramBag`.
        num_hash_bins: Hash n-grams into so many columns; nothing to adapt.
        min_frequency: Rarer n-grams are left out.
        multi_label: Whether a text may have any number of classes.
        class_names: The classes' names, in order of their labels.
        preprocessor: Another layer from texts to a bag, instead of the one that the
            arguments above describe.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.

    Example:

    >>> model = BagOfNgramsClassifier(num_classes=2, max_tokens=20_000, ngrams=2)
    >>> model.adapt(["good", "not good"])
    >>> model.count_params()  # good, not, not good, and a bias
    4
    """

    steps_a_call = 64

    def __init__(
        self,
        num_classes,
        max_tokens=20_000,
        ngrams=1,
        *,
        mode="multi_hot",
        standardize="lower_and_strip_punctuation",
        split="whitespace",
        num_hash_bins=None,
        min_frequency=1,
        multi_label=False,
        class_names=None,
        preprocessor=None,
        **kwargs,
    ):
        units = 1 if num_classes == 2 and not multi_label else num_classes
        super().__init__(
            num_classes,
            preprocessor=preprocessor
            or NGramBag(
                None if num_hash_bins else max_tokens,
                ngrams,
                mode=mode,
                standardize=standardize,
                split=split,
                num_hash_bins=num_hash_bins,
                min_frequency=min_frequency,
            ),
            head=SparseLinear(units, name="head"),
            multi_label=multi_label,
            class_names=class_names,
            **kwargs,
        )
        # SparseLinear computes in float32: rounding the bag first would only lose digits.
        self.autocast = False

    def get_config(self):
        config = super().get_config()
        del config["encoder"], config["head"]  # they follow from the rest
        return config
