"""Pairs of texts to tokens that are read, tokens that are written, and what follows."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.layers.preprocessing_layer import as_strings, on_cpu
from keras_nlp_lite.tasks.causal_lm_preprocessor import packer, shifted
from keras_nlp_lite.tasks.text_preprocessor import TextPreprocessor
from keras_nlp_lite.tasks.written import without_specials


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Seq2SeqLMPreprocessor(TextPreprocessor):
    """Cuts a text and its counterpart into tokens, for a model that turns one into other.

    Shapes: B pairs, E `encoder_sequence_length`, L `decoder_sequence_length`, R rows.

    Args:
        tokenizer: One that knows its special tokens, such as `RobertaTokenizer`.
        encoder_sequence_length: E, in tokens; longer texts are cut.
        decoder_sequence_length: L, in tokens; longer ones are cut.
        target_tokenizer: Of the texts that are written; `tokenizer` by default.
        encoder_start_token_ids: list of int, what a text that is read begins with; the
            start token by default.
        decoder_start_token_ids: list of int, what is written begins with; the start
            token by default.
        suppressed: list of int, tokens that are never written.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        x: dict of "encoder_text" and "decoder_text", string [B] each; or the former
            alone, with the latter as y.
        y: Texts, string [B].
        sample_weight: float [B], one weight for all tokens of a pair.
        encoder_sequence_length, decoder_sequence_length: In place of the layer's own;
            `sequence_length` is another name for the latter.
        packed: Whether rows hold several pairs, as in `CausalLMPreprocessor`: the masks
            of both sides number them alike.

    Returns:
        (features, ids, weights): dict of "encoder_token_ids" int32 [B, E],
        "encoder_padding_mask" bool [B, E], "decoder_token_ids" int32 [B, L] and
        "decoder_padding_mask" bool [B, L]; int32 [B, L], the token that follows each;
        float32 [B, L], 0 where none does.

    Example:

    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "the", "fox", "der", "fuchs"])
    >>> preprocessor = Seq2SeqLMPreprocessor(tokenizer, 5, 4)
    >>> features, ids, weights = preprocessor(["the fox"], ["der fuchs"])
    >>> print(features["encoder_token_ids"].numpy(), ids.numpy())
    [[2 5 6 3 0]] [[7 8 3 0]]
    """

    def __init__(
        self,
        tokenizer,
        encoder_sequence_length=1024,
        decoder_sequence_length=1024,
        *,
        target_tokenizer=None,
        encoder_start_token_ids=None,
        decoder_start_token_ids=None,
        suppressed=(),
        **kwargs,
    ):
        super().__init__(tokenizer, decoder_sequence_length, **kwargs)
        check_positive_int("encoder_sequence_length", encoder_sequence_length)
        self.encoder_sequence_length = encoder_sequence_length
        self.target_tokenizer = target_tokenizer
        self.encoder_start_token_ids = encoder_start_token_ids
        self.decoder_start_token_ids = decoder_start_token_ids
        self.suppressed = list(suppressed)

    @property
    def decoder_sequence_length(self):
        """L; `sequence_length` is the same."""
        return self.sequence_length

    def call(
        self,
        x,
        y=None,
        sample_weight=None,
        *,
        encoder_sequence_length=None,
        decoder_sequence_length=None,
        sequence_length=None,
        packed=False,
    ):
        source, target = _texts(x, y)
        if target is None:
            raise ValueError(
                "There must be texts to write, beside those to read. Received: the "
                'latter alone. Give y, or a dict with "decoder_text".'
            )
        length = decoder_sequence_length or sequence_length or self.sequence_length
        with on_cpu():
            read = self._read(source, encoder_sequence_length)
            written = self._written(target, length + 1, with_end=True)
            return shifted(
                {"encoder_": read, "decoder_": written},
                sample_weight,
                {
                    "encoder_": self.tokenizer.pad_token_id,
                    "decoder_": self.written_tokenizer.pad_token_id,
                },
                packed=packed,
            )

    def generate_preprocess(
        self,
        x,
        *,
        encoder_sequence_length=None,
        decoder_sequence_length=None,
        sequence_length=None,
    ):
        """dict of what the call's is of, to go on with: without an end of what is written.

        Args:
            x: Texts to read, string [B], or one; or a dict of "encoder_text" and
                "decoder_text", with which what is written is to begin.
            encoder_sequence_length, decoder_sequence_length, sequence_length: As in a
                call.
        """
        source, target = _texts(x, None)
        length = decoder_sequence_length or sequence_length or self.sequence_length
        with on_cpu():
            ids, mask = self._read(source, encoder_sequence_length)
            if target is None:
                target = tf.zeros_like(as_strings(source))
            written, given = self._written(target, length, with_end=False)
        return {
            "encoder_token_ids": ids,
            "encoder_padding_mask": mask,
            "decoder_token_ids": written,
            "decoder_padding_mask": given,
        }

    def generate_postprocess(self, x):
        """string [B]: what was written, from a dict of "decoder_token_ids" and
        "decoder_padding_mask" int [B, L]."""
        ids, mask = x["decoder_token_ids"], x["decoder_padding_mask"]
        tokenizer = self.written_tokenizer
        with on_cpu():
            texts = without_specials(tokenizer, ids, mask)
            if getattr(tokenizer, "add_prefix_space", False):  # which nobody wrote
                texts = tf.strings.regex_replace(texts, "^ ", "")
            return texts

    @property
    def written_tokenizer(self):
        """The tokenizer of what is written."""
        return self.target_tokenizer or self.tokenizer

    def _read(self, texts, length):
        """(ids, mask), [B, E]"""
        ids = self.tokenizer(as_strings(texts))
        start = self.encoder_start_token_ids
        length = length or self.encoder_sequence_length
        return packer(self.tokenizer, length, start)(ids)

    def _written(self, texts, length, with_end):
        """(ids, mask), [B, length]"""
        # A tokenizer of two languages knows which it is to cut.
        tokenizer = self.written_tokenizer
        cut = getattr(tokenizer, "tokenize_target", tokenizer)
        pack = packer(tokenizer, length, self.decoder_start_token_ids)
        return pack(cut(as_strings(texts)), add_end_value=with_end)

    @classmethod
    def of_family(cls, family, config):
        """dict of arguments, as a family of Hugging Face's prepares its texts."""
        known = family.generation(config)
        start = [known["decoder_start_token_id"], known["forced_bos"]]
        arguments = {"decoder_start_token_ids": [id for id in start if id is not None]}
        if config["model_type"] == "marian":
            arguments["encoder_start_token_ids"] = []
        words = known["bad_words_ids"] or []
        arguments["suppressed"] = [word[0] for word in words if len(word) == 1]
        return arguments

    def compute_output_spec(
        self, x, y=None, sample_weight=None, *, packed=False, **lengths
    ):
        texts, _ = _texts(x, y)
        batch = (None,) if packed else tuple(texts.shape)
        mask = "int32" if packed else "bool"
        features = {}
        for side, length in (
            ("encoder", self.encoder_sequence_length),
            ("decoder", self.sequence_length),
        ):
            length = lengths.get(f"{side}_sequence_length") or length
            shape = (*batch, None if packed else length)
            features[f"{side}_token_ids"] = keras.KerasTensor(shape, dtype="int32")
            features[f"{side}_padding_mask"] = keras.KerasTensor(shape, dtype=mask)
        ids = keras.KerasTensor(shape, dtype="int32")
        return features, ids, keras.KerasTensor(shape, dtype="float32")

    def prepared_spec(self, batch):
        names = ("token_ids", "padding_mask")
        return {f"{side}_{x}": None for side in ("encoder", "decoder") for x in names}

    def get_config(self):
        config = super().get_config()
        config.pop("truncate")  # which is for several texts
        config["decoder_sequence_length"] = config.pop("sequence_length")
        return {
            **config,
            "encoder_sequence_length": self.encoder_sequence_length,
            "target_tokenizer": keras.saving.serialize_keras_object(
                self.target_tokenizer
            ),
            "encoder_start_token_ids": self.encoder_start_token_ids,
            "decoder_start_token_ids": self.decoder_start_token_ids,
            "suppressed": self.suppressed,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config.get("target_tokenizer"), dict):
            config["target_tokenizer"] = keras.saving.deserialize_keras_object(
                config["target_tokenizer"]
            )
        return super().from_config(config)


def _texts(x, y):
    """(texts to read, texts to write or None)"""
    if isinstance(x, dict):
        if "encoder_text" not in x:
            raise ValueError(
                'A dict of texts has "encoder_text" and "decoder_text". Received: '
                f"{', '.join(x)}. Try dataset.map(lambda x: (x[source], x[target]))."
            )
        return x["encoder_text"], x.get("decoder_text", y)
    return x, y
