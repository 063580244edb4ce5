"""What the baselines on sequences of word vectors share: the representation."""

from keras_nlp_lite.layers.text_vectorization import TextVectorization
from keras_nlp_lite.tasks.classifier import Classifier


class SequenceClassifier(Classifier):
    """A classifier of texts as sequences of token numbers; only `encoder` differs.

    Args:
        num_classes: C.
        encoder: Layer or model from token numbers int [B, T] to features [B, D].
        max_tokens: Size of the vocabulary, with one entry each for padding and for
            unknown tokens.
        sequence_length: T, in tokens; longer texts are cut, shorter ones padded.
        standardize: As in `layers.TextVectorization`.
        split: As in `layers.TextVectorization`.
        preprocessor: Another layer from texts to token numbers, instead of the one
            that the arguments above describe.
        settings: The subclass's own arguments, for its config.
        **kwargs: `multi_label`, `class_names`, `name`, `dtype` and the rest of
            `Classifier`.
    """

    def __init__(
        self,
        num_classes,
        encoder,
        *,
        max_tokens,
        sequence_length,
        standardize="lower_and_strip_punctuation",
        split="whitespace",
        preprocessor=None,
        settings,
        **kwargs,
    ):
        super().__init__(
            num_classes,
            preprocessor=preprocessor
            or TextVectorization(
                max_tokens=max_tokens,
                output_sequence_length=sequence_length,
                standardize=standardize,
                split=split,
            ),
            encoder=encoder,
            **kwargs,
        )
        self._settings = {
            **settings,
            "max_tokens": max_tokens,
            "sequence_length": sequence_length,
        }

    def get_config(self):
        config = super().get_config()
        del config["encoder"], config["head"]  # they follow from the settings
        return {**config, **self._settings}
