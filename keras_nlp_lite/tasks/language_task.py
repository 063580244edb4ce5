"""Tasks that write: what language models and sequence-to-sequence models share."""

import types

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.data.raw_batches import raw_batches
from keras_nlp_lite.layers.preprocessing_layer import on_cpu
from keras_nlp_lite.ops import portable_ops
from keras_nlp_lite.samplers.serialization import get as get_sampler
from keras_nlp_lite.samplers.serialization import serialize
from keras_nlp_lite.tasks.continuation import Next, Prompts
from keras_nlp_lite.tasks.plain_errors import plain_errors
from keras_nlp_lite.tasks.smoothed_crossentropy import SmoothedCrossentropy
from keras_nlp_lite.tasks.token_task import TokenTask
from keras_nlp_lite.tasks.waiting_bar import waiting_bar


class LanguageTask(TokenTask):
    """A task that learns which token comes next, and continues texts.

    Args:
        backbone: A backbone that can decode with a cache.
        preprocessor: With `generate_preprocess` and `generate_postprocess`.
        label_smoothing: As in `SmoothedCrossentropy`.
        packed: Whether training sets several texts in a row, so that little of it is
            padding; they do not see one another.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.
    """

    def __init__(
        self,
        backbone,
        preprocessor=None,
        *,
        label_smoothing=0.0,
        packed=True,
        **kwargs,
    ):
        super().__init__(backbone, preprocessor, **kwargs)
        if not hasattr(backbone, "call_with_cache"):
            raise ValueError(
                "`backbone` must be one that can write, with a cache. Received: "
                f"{type(backbone).__name__}. Try GPT2Backbone, or for sequence to "
                "sequence EncoderDecoderBackbone."
            )
        self.label_smoothing = label_smoothing
        self.packed = packed
        self.sampler = get_sampler("top_k")
        # Functions by what they were made for, in a plain object: TensorFlow would
        # track those that are attributes, and try to export them.
        self._writing = types.SimpleNamespace(functions={}, samplers={})

    # What a subclass says of itself

    # What the inputs that are continued are called begins with this.
    prefix = ""
    # What all are called.
    prepared_names = ("token_ids", "padding_mask")

    def encoded(self, inputs):
        """dict of what `Next.first` takes beside prompts, from prepared inputs."""
        return {}

    # The model

    def build(self, input_shape=None):
        if not self.built:
            self._taken = tuple(self.backbone.input)
            self.built = True

    # Training

    def settings(self):
        return {"label_smoothing": self.label_smoothing, "packed": self.packed}

    def preprocess(self, x, y=None, sample_weight=None):
        return self.preprocessor(x, y, sample_weight, packed=self.packed)

    def preprocess_question(self, x):
        return (self.preprocessor(x)[0],)

    def _prepared(self, raw, budget=0, shuffle=False, verbose=0):
        # Kept rows would be handed out by as many as there were texts in a batch.
        budget = 0 if self.packed else budget
        return super()._prepared(raw, budget, shuffle, verbose)

    def auto_loss(self):
        return SmoothedCrossentropy(self.label_smoothing)

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        metrics="auto",
        *,
        sampler="top_k",
        **kwargs,
    ):
        """As `Task.compile`, with what `generate` chooses tokens by.

        Args:
            optimizer, loss, metrics: As in `Task.compile`; the model gives logits, and
                all metrics are weighted.
            sampler: Its name, such as "greedy", "top_k", "top_p", "beam", or a
                `samplers.Sampler`.
            **kwargs: The rest of `Task.compile`.
        """
        super().compile(optimizer, loss, metrics, **kwargs)
        self.sampler = get_sampler(sampler)
        self._policies["sampler"] = serialize(self.sampler)

    # Scoring

    def score(self, x, batch_size=None):
        """How likely each text is: the sum of its tokens' log-probabilities.

        Args:
            x: Raw input, as `fit` takes it.
            batch_size: Of texts in lists or arrays; 32 by default.

        Returns:
            float32 [N], in nats. Text behind `sequence_length` does not count, and a
            start token is given.
        """
        return np.concatenate([sums for sums, _ in self._scores(x, batch_size)])

    def perplexity(self, x, batch_size=None, return_dict=False):
        """By how many equally likely tokens the model is perplexed at each token.

        Args:
            x, batch_size: As in `score`.
            return_dict: Whether to return more.

        Returns:
            float; or a dict of "perplexity", "loss" in nats a token, "bits_per_byte" of
            the text, and the number of "tokens".
        """
        bits = []
        sums, tokens = 0.0, 0
        for each, counts in self._scores(x, batch_size, bits):
            sums, tokens = sums + float(np.sum(each)), tokens + int(np.sum(counts))
        loss = -sums / max(tokens, 1)
        perplexity = float(np.exp(min(loss, 700.0)))
        if not return_dict:
            return perplexity
        return {
            "perplexity": perplexity,
            "loss": loss,
            "bits_per_byte": -sums / np.log(2) / max(sum(bits), 1),
            "tokens": tokens,
        }

    def _scores(self, x, batch_size, sizes=None):
        """Yields (sums, counts) of batches; appends each batch's bytes to `sizes`."""
        self.ensure_built()
        with plain_errors():
            raw = raw_batches(
                *(x if isinstance(x, tuple) else (x,)), batch_size=batch_size
            )
            self.check_data(raw, labels=False)
            show = waiting_bar(raw, "Reading")
            score = self._function("score", lambda: _compiled(self._sums))
            for number, batch in enumerate(raw, 1):
                batch = batch if isinstance(batch, tuple) else (batch,)
                prepared, ids, weights = self._unpacked(batch)
                if sizes is not None:
                    sizes.append(self._bytes(ids, weights))
                sums = score(prepared, ids, weights)
                show(number)
                yield sums.numpy(), tf.reduce_sum(weights, axis=1).numpy()

    def _unpacked(self, batch):
        """(features, ids, weights) of a raw batch, a text a row."""
        with tf.device("CPU:0"):
            return self.preprocessor(*batch)

    def _bytes(self, ids, weights):
        """int, how many bytes of text the tokens with weight stand for."""
        mask = weights > 0
        texts = self.preprocessor.generate_postprocess(
            {f"{self.prefix}token_ids": ids, f"{self.prefix}padding_mask": mask}
        )
        return int(tf.reduce_sum(tf.strings.length(texts)))

    def _sums(self, prepared, ids, weights):
        logits = keras.ops.cast(self(prepared, training=False), "float32")
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)
        return -tf.reduce_sum(losses * weights, axis=1)

    # Writing

    def generate(
        self,
        inputs,
        max_length=None,
        stop_token_ids="auto",
        strip_prompt=False,
        *,
        sampler=None,
        batch_size=None,
    ):
        """Continues texts.

        Args:
            inputs: A text, a list or array of such, or a Dataset of batches. Without a
                preprocessor, a dict as `generate_preprocess` would give it.
            max_length: The most tokens of a text, those given and special ones
                included; the preprocessor's `sequence_length` by default.
            stop_token_ids: Token ids that end a text: "auto" for the tokenizer's end
                token, a list, or None to write on up to `max_length`.
            strip_prompt: Whether to return only what is new.
            sampler: In place of the one given to `compile`.
            batch_size: How many texts to continue at once; all by default.

        Returns:
            A str for a text, else a list of str; a dict of arrays without a
            preprocessor. With a sampler's `num_return_sequences` above 1, a list in
            which a text's continuations follow one another.

        Raises:
            ValueError: `max_length` beyond what backbone or prompt allow; "auto"
                without a preprocessor.
        """
        self.ensure_built()
        sampler = self.sampler if sampler is None else get_sampler(sampler)
        stops = self._stops(stop_token_ids)
        if self.preprocessor is None:
            outputs = self._step_function(sampler, stops)(self._given(inputs))
            return {name: x.numpy() for name, x in outputs.items()}
        self._check_length(max_length)
        batches, one = _batches(inputs, batch_size)
        texts = []
        for batch in batches:
            with plain_errors():
                given = self._asked(batch, max_length)
                outputs = self._step_function(sampler, stops)(self._given(given))
            if strip_prompt:
                outputs = self._without_prompt(given, outputs)
            found = self.preprocessor.generate_postprocess(outputs).numpy()
            texts += [text.decode("utf-8", "replace") for text in found.tolist()]
        return texts[0] if one and sampler.num_return_sequences == 1 else texts

    def stream(self, text, max_length=None, stop_token_ids="auto", *, sampler=None):
        """Continues a text, and gives what is new as it comes.

        Args:
            text: str.
            max_length, stop_token_ids, sampler: As in `generate`; no beam search, which
                knows its answer only when it ends.

        Yields:
            str, pieces of text.
        """
        self.ensure_built()
        sampler = self.sampler if sampler is None else get_sampler(sampler)
        if sampler.cache_rows > 1 or sampler.num_return_sequences > 1:
            raise ValueError(
                "A stream follows one text. Received: "
                f"{type(sampler).__name__}. Try GreedySampler() or TopPSampler()."
            )
        self._check_length(max_length)
        stops = self._stops(stop_token_ids)
        given = self._asked([text], max_length)
        key = "stream", sampler, stops
        begin, step = self._function(key, lambda: self._streaming(sampler, stops))
        state, starts = begin(self._given(given))
        first, shown = int(state["index"]), ""
        while bool(sampler.goes_on(state)):
            state = step(state)
            ids = sampler.end(state)[0, first : int(state["index"])]
            mask = ~tf.reduce_any(ids[:, None] == list(stops), axis=1)
            so_far = self._text_of(ids, mask)
            # Bytes that are half a character wait for the other half.
            if so_far.endswith("\N{REPLACEMENT CHARACTER}"):
                continue
            if so_far != shown:
                yield so_far[len(shown) :]
                shown = so_far
            if int(state["index"]) - int(starts[0]) >= given[self._ids].shape[1]:
                return

    def generate_step(self, inputs, stop_token_ids=None, sampler=None):
        """Continues a batch of prepared prompts, in the graph.

        Args:
            inputs: dict as `generate_preprocess` gives it.
            stop_token_ids: tuple of int, or None.
            sampler: In place of the one given to `compile`.

        Returns:
            dict of "token_ids" int32 [N, L] and "padding_mask" bool [N, L], after the
            names of the inputs.
        """
        sampler = self.sampler if sampler is None else sampler
        stops = tuple(stop_token_ids or ())
        next, prompts, cache, features = self._begun(inputs)
        tokens = sampler(
            next,
            prompts.tokens,
            cache,
            prompts.index,
            stop_token_ids=stops or None,
            hidden_states=features,
            starts=prompts.starts,
        )
        if isinstance(tokens, tuple):  # of all beams, and their scores
            tokens = tf.reshape(tokens[0], [-1, tf.shape(tokens[0])[-1]])
        ids, mask = prompts.set_back(tokens, stops)
        return {self._ids: ids, self._mask: mask}

    def _begun(self, inputs):
        prompts = Prompts(inputs[self._ids], inputs[self._mask], self._pad_id())
        next = Next(self.backbone, getattr(self.preprocessor, "suppressed", ()))
        cache, features = next.first(prompts, **self.encoded(inputs))
        # As many as there are columns.
        more = tf.shape(prompts.tokens)[1] - tf.shape(features)[1]
        return next, prompts, cache, tf.pad(features, [(0, 0), (0, more), (0, 0)])

    def _streaming(self, sampler, stops):
        """(begin, step), compiled."""
        next = Next(self.backbone, getattr(self.preprocessor, "suppressed", ()))

        def begin(inputs):
            _, prompts, cache, features = self._begun(inputs)
            state = sampler.begin(
                prompts.tokens,
                cache,
                prompts.index,
                stop_token_ids=list(stops) or None,
                starts=prompts.starts,
                next=next,
                hidden_states=features,
                drop_finished=False,
            )
            return state, prompts.starts

        return _compiled(begin), _compiled(lambda state: sampler.step(next, state))

    _ids = property(lambda self: f"{self.prefix}token_ids")
    _mask = property(lambda self: f"{self.prefix}padding_mask")

    def _pad_id(self):
        return self.preprocessor.tokenizer.pad_token_id if self.preprocessor else 0

    def _text_of(self, ids, mask):
        given = {self._ids: ids[None], self._mask: mask[None]}
        found = self.preprocessor.generate_postprocess(given)
        return found[0].numpy().decode("utf-8", "replace")

    def _asked(self, texts, max_length):
        with tf.device("CPU:0"):
            return self.preprocessor.generate_preprocess(
                texts, sequence_length=max_length
            )

    def _given(self, inputs):
        """Prepared inputs, as the compiled functions take them."""
        return {
            name: tf.cast(inputs[name], tf.bool if "mask" in name else tf.int32)
            for name in self.prepared_names
        }

    def _without_prompt(self, given, outputs):
        mask = tf.cast(given[self._mask], tf.bool)
        each = tf.shape(outputs[self._mask])[0] // tf.shape(mask)[0]
        new = outputs[self._mask] & ~tf.repeat(mask, each, axis=0)
        return {**outputs, self._mask: new}

    def _stops(self, stop_token_ids):
        """tuple of int."""
        if isinstance(stop_token_ids, str) and stop_token_ids == "auto":
            if self.preprocessor is None:
                raise ValueError(
                    'stop_token_ids="auto" asks the preprocessor. Received: a model '
                    "without one. Try stop_token_ids=None, or a list of ids."
                )
            tokenizer = self.preprocessor.tokenizer
            ends = tokenizer.end_token_id, getattr(tokenizer, "end_token2_id", None)
            return tuple(id for id in ends if id is not None)
        return tuple(int(id) for id in stop_token_ids or ())

    def _check_length(self, max_length):
        check_positive_int("max_length", max_length, none_ok=True)
        limit = getattr(self.backbone, "max_sequence_length", None)
        if None not in (max_length, limit) and max_length > limit:
            raise ValueError(
                "`max_length` must be at most the backbone's `max_sequence_length`. "
                f"Received: max_length={max_length}, max_sequence_length={limit}."
            )

    def _step_function(self, sampler, stops):
        """`generate_step`, compiled once for all lengths."""
        used = self._alike(sampler)
        signature = {
            name: tf.TensorSpec([None, None], tf.bool if "mask" in name else tf.int32)
            for name in self.prepared_names
        }

        def make():
            function = tf.function(
                lambda inputs: self.generate_step(inputs, stops, used),
                input_signature=[signature],
                autograph=False,
            )
            # Which, of several functions made here, TensorFlow does not warn about.
            return function.get_concrete_function()

        quantized = self.backbone.token_embedding.quantization_mode
        step = self._function(("step", id(used), stops, quantized), make)

        def run(inputs):
            if used is sampler:
                return step(inputs)
            # Another sampler's turn: its random numbers, in a function made before.
            for ours, theirs in zip(used.variables, sampler.variables, strict=True):
                ours.assign(theirs)
            outputs = step(inputs)
            for ours, theirs in zip(used.variables, sampler.variables, strict=True):
                theirs.assign(ours)
            return outputs

        return run

    def _alike(self, sampler):
        """The first sampler that was seen of those that only their random numbers tell
        apart: what was compiled for one serves all."""
        config = serialize(sampler)
        config["config"] = {k: v for k, v in config["config"].items() if k != "seed"}
        return self._writing.samplers.setdefault(repr(config), sampler)

    def _function(self, key, make):
        """What was made for a key before, or is made now."""
        functions = self._writing.functions
        if key not in functions:
            functions[key] = make()
        return functions[key]

    # Keeping

    def serving_resources(self):
        return [self, _Seeds(self.sampler)]

    def serve(self, text):
        """string [N]: what an export computes, `generate` in one graph."""
        with portable_ops():
            with on_cpu():
                given = self.preprocessor.generate_preprocess(text)
            stops = self._stops("auto")
            outputs = self.generate_step(given, stops)
            with on_cpu():
                return self.preprocessor.generate_postprocess(outputs)


class _Seeds(keras.layers.Layer):
    """A sampler's random numbers, where an export looks for variables."""

    def __init__(self, sampler):
        super().__init__()
        kinds = keras.random.SeedGenerator
        self.seeds = [x for x in vars(sampler).values() if isinstance(x, kinds)]
        self.build(None)


def _compiled(function):
    return tf.function(function, reduce_retracing=True, autograph=False)


def _batches(inputs, batch_size):
    """(lists of texts, whether there is one text)"""
    if isinstance(inputs, tf.data.Dataset):
        return (
            (batch[0] if isinstance(batch, tuple) else batch) for batch in inputs
        ), False
    one = isinstance(inputs, (str, bytes)) or getattr(inputs, "shape", None) == ()
    if isinstance(inputs, dict):
        return [inputs], False
    texts = [inputs] if one else inputs
    if not len(texts):
        return [], False
    size = batch_size or len(texts)
    return [texts[i : i + size] for i in range(0, len(texts), size)], one
