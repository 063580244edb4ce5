"""The next step up from a bag: every word a vector, a text their mean."""

import keras

from keras_nlp_lite.tasks.sequence_classifier import SequenceClassifier


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class AveragedEmbeddingClassifier(SequenceClassifier):
    """Classifies the mean of a text's word vectors; padding does not count.

    Args:
        num_classes: C.
        max_tokens: Size of the vocabulary, padding and the unknown included.
        sequence_length: In tokens; longer texts are cut.
        embedding_dim: Width of a word vector.
        dropout: Share of the features of the vectors dropped in training.
        **kwargs: As in `SequenceClassifier`.

    Example:

    >>> model = AveragedEmbeddingClassifier(num_classes=2, max_tokens=10_000)
    >>> model.adapt(["good", "not good"])
    >>> model.count_params()
    320033
    """

    steps_a_call = 64

    def __init__(
        self,
        num_classes,
        max_tokens=20_000,
        *,
        sequence_length=250,
        embedding_dim=32,
        dropout=0.5,
        **kwargs,
    ):
        dtype = {"dtype": kwargs.get("dtype")}
        encoder = keras.Sequential(
            [
                keras.layers.Embedding(
                    max_tokens, embedding_dim, mask_zero=True, **dtype
                ),
                keras.layers.Dropout(dropout, **dtype),
                keras.layers.GlobalAveragePooling1D(**dtype),
            ],
            name="encoder",
        )
        super().__init__(
            num_classes,
            encoder,
            max_tokens=max_tokens,
            sequence_length=sequence_length,
            settings={"embedding_dim": embedding_dim, "dropout": dropout},
            **kwargs,
        )
