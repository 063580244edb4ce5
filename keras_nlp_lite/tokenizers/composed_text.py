"""Texts in Unicode's composed form, before they are cut to tokens."""

from keras_nlp_lite.tokenizers.strings import as_strings, on_cpu
from keras_nlp_lite.tokenizers.text_rows import flat_strings

FORM = "NFC"


class ComposedText:
    """Comes before a `BytePairTokenizer`: an "e" and its accent become one character.

    Places are those in the text as it came.
    """

    def tokenize(self, inputs):
        import tensorflow_text  # here, since it takes a second to import

        with on_cpu():
            text = as_strings(inputs)
            return super().tokenize(tensorflow_text.normalize_utf8(text, FORM))

    def _places(self, text):
        import tensorflow_text

        text, origins = tensorflow_text.normalize_utf8_with_offsets_map(
            flat_strings(text), FORM
        )
        tokens, *places, words = super()._places(text)
        places = (tensorflow_text.find_source_offsets(origins, x) for x in places)
        return tokens, *places, words
