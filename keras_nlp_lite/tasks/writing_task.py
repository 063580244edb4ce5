"""What tasks that write have in common: `generate`, `stream`, an export of it."""

import contextlib
import types
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.layers.preprocessing_layer import on_cpu
from keras_nlp_lite.ops import portable_ops
from keras_nlp_lite.ops.matmul import FEW, many_rows
from keras_nlp_lite.samplers.sampler import Sampler
from keras_nlp_lite.samplers.serialization import get as get_sampler
from keras_nlp_lite.samplers.serialization import serialize
from keras_nlp_lite.tasks.continuation import Next, Prompts
from keras_nlp_lite.tasks.plain_errors import plain_errors
from keras_nlp_lite.tasks.token_task import TokenTask

_HALF = "\N{REPLACEMENT CHARACTER}"  # of a character, or bytes that are none


class WritingTask(TokenTask):
    """A task whose backbone continues rows of tokens, and a sampler says how.

    Args:
        backbone: A backbone that can decode with a cache.
        preprocessor: With `generate_preprocess` and `generate_postprocess`.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.
    """

    def __init__(self, backbone, preprocessor=None, **kwargs):
        super().__init__(backbone, preprocessor, **kwargs)
        if not hasattr(backbone, "call_with_cache"):
            raise ValueError(
                "`backbone` must be one that can write, with a cache. Received: "
                f"{type(backbone).__name__}. Try GPT2Backbone, or for sequence to "
                "sequence EncoderDecoderBackbone."
            )
        self.sampler = get_sampler("top_k")
        # Functions by what they were made for, in a plain object: TensorFlow would
        # track those that are attributes, and try to export them.
        self._writing = types.SimpleNamespace(
            functions={}, samplers={}, served_length=None
        )

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
        sampler = _checked(sampler)
        super().compile(optimizer, loss, metrics, **kwargs)
        self.sampler = sampler
        self._policies["sampler"] = serialize(sampler)

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
                preprocessor, a dict as `generate_preprocess` would give it; then
                `max_length`, `strip_prompt` and `batch_size` say nothing.
            max_length: The most tokens of a text, those given and special ones
                included; the preprocessor's `sequence_length` by default. The ends of
                longer prompts are cut off, with a warning.
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
            ValueError: `max_length` beyond what the backbone allows; "auto" without a
                preprocessor; inputs that are no texts.
        """
        self.ensure_built()
        check_positive_int("batch_size", batch_size, none_ok=True)
        sampler = self.sampler if sampler is None else _checked(sampler)
        given = self._given(inputs) if self.preprocessor is None else None
        stops = self._stops(stop_token_ids)
        if self.preprocessor is None:
            outputs = self._write(given, sampler, stops)
            return {name: x.numpy() for name, x in outputs.items()}
        self._check_length(max_length)
        batches, one = _batches(inputs, batch_size)
        texts = []
        for batch in batches:
            with plain_errors():
                given = self._asked(batch, max_length)
                outputs = self._write(given, sampler, stops)
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
            str, pieces of text; put behind the prompt, they are what `generate` gives.
        """
        self.ensure_built()
        if not isinstance(text, str):
            raise ValueError(
                f"A stream follows one text. Received: {type(text).__name__}."
            )
        sampler = self.sampler if sampler is None else _checked(sampler)
        if sampler.cache_rows > 1 or sampler.num_return_sequences > 1:
            raise ValueError(
                "A stream follows one text. Received: "
                f"{type(sampler).__name__}. Try GreedySampler() or TopPSampler()."
            )
        self._check_length(max_length)
        stops = self._stops(stop_token_ids)
        used, key = self._alike(sampler)
        begin, step = self.function(
            ("stream", key, stops), lambda: self._streaming(used, stops)
        )
        with plain_errors(), _in_place_of(used, sampler):
            state = begin(self._asked([text], max_length))
        start, index = int(state["rows"]["starts"][0]), int(state["index"])
        so_far = shown = self._text_of(used.end(state)[0, start:index], stops)
        while bool(used.goes_on(state)):
            with _in_place_of(used, sampler):
                state = step(state)
            index = int(state["index"])
            so_far = self._text_of(used.end(state)[0, start:index], stops)
            # Bytes that are half a character wait for the other half.
            whole = so_far.rstrip(_HALF)
            if len(whole) > len(shown):
                yield whole[len(shown) :]
                shown = whole
        if len(so_far) > len(shown):
            yield so_far[len(shown) :]

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
            ends=prompts.starts + prompts.width,
        )
        if isinstance(tokens, tuple):  # of all beams, and their scores
            tokens = tf.reshape(tokens[0], [-1, tf.shape(tokens[0])[-1]])
        ids, mask = prompts.set_back(tokens, stops)
        return {self._ids: ids, self._mask: mask}

    def _begun(self, inputs):
        prompts = Prompts(inputs[self._ids], inputs[self._mask], self._pad_id())
        next = self._next()
        cache, features = next.first(prompts, **self.encoded(inputs))
        # As many as there are columns.
        more = tf.shape(prompts.tokens)[1] - tf.shape(features)[1]
        return next, prompts, cache, tf.pad(features, [(0, 0), (0, more), (0, 0)])

    def _next(self):
        return Next(self.backbone, getattr(self.preprocessor, "suppressed", ()))

    def _streaming(self, sampler, stops):
        """(begin, step), compiled."""
        next = self._next()

        def begin(inputs):
            _, prompts, cache, features = self._begun(inputs)
            return sampler.begin(
                prompts.tokens,
                cache,
                prompts.index,
                stop_token_ids=list(stops) or None,
                starts=prompts.starts,
                ends=prompts.starts + prompts.width,
                next=next,
                hidden_states=features,
                drop_finished=False,
            )

        return compiled(begin), compiled(lambda state: sampler.step(next, state))

    _ids = property(lambda self: f"{self.prefix}token_ids")
    _mask = property(lambda self: f"{self.prefix}padding_mask")

    def _pad_id(self):
        return (
            self.preprocessor.written_tokenizer.pad_token_id if self.preprocessor else 0
        )

    def _text_of(self, ids, stops):
        """str, of int [T]."""
        mask = ~tf.reduce_any(ids[:, None] == list(stops), axis=1)
        given = {self._ids: ids[None], self._mask: mask[None]}
        found = self.preprocessor.generate_postprocess(given)
        return found[0].numpy().decode("utf-8", "replace")

    def _asked(self, texts, max_length):
        """Prepared texts, as the compiled functions take them."""
        with tf.device("CPU:0"):
            given = self.preprocessor.generate_preprocess(
                texts, sequence_length=max_length
            )
        given = self._given(given)
        mask = given[self._mask]
        full = int(tf.math.count_nonzero(tf.reduce_all(mask, axis=1)))
        if full:
            warnings.warn(
                f"{full} of {mask.shape[0]} prompts fill all {mask.shape[1]} tokens of "
                "`max_length`: what goes beyond is cut off, and nothing is written "
                "behind them.",
                stacklevel=3,
            )
        return given

    def _given(self, inputs):
        """Prepared inputs, as the compiled functions take them."""
        names = self.prepared_names
        if not isinstance(inputs, dict) or not set(names) <= set(inputs):
            came = sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__
            raise ValueError(
                f"Prepared inputs are a dict of {', '.join(names)}. Received: {came}."
            )
        given = {
            name: tf.cast(inputs[name], tf.bool if "mask" in name else tf.int32)
            for name in names
        }
        self._check_length(given[self._ids].shape[1])
        return given

    def _without_prompt(self, given, outputs):
        mask = given[self._mask]
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
            tokenizer = self.preprocessor.written_tokenizer
            ends = tokenizer.end_token_id, getattr(tokenizer, "end_token2_id", None)
            return tuple(id for id in ends if id is not None)
        if stop_token_ids is None:
            return ()
        return tuple(int(id) for id in np.atleast_1d(stop_token_ids))

    def _check_length(self, length):
        check_positive_int("max_length", length, none_ok=True)
        limit = getattr(self.backbone, "max_sequence_length", None)
        if None not in (length, limit) and length > limit:
            raise ValueError(
                "`max_length` must be at most the backbone's `max_sequence_length`. "
                f"Received: max_length={length}, max_sequence_length={limit}."
            )

    # What was compiled before

    def _write(self, inputs, sampler, stops):
        """`generate_step`, compiled once for all lengths."""
        used, key = self._alike(sampler)
        each = max(sampler.cache_rows, sampler.num_return_sequences)
        many = inputs[self._ids].shape[0] * each > FEW
        signature = {
            name: tf.TensorSpec([None, None], x.dtype) for name, x in inputs.items()
        }

        def step(inputs):
            with many_rows() if many else contextlib.nullcontext():
                return self.generate_step(inputs, stops, used)

        def make():
            # Concrete: TensorFlow warns of several functions that are made in one place.
            return tf.function(
                step, input_signature=[signature], autograph=False
            ).get_concrete_function()

        function = self.function(("step", key, stops, many), make)
        with _in_place_of(used, sampler):
            return function(inputs)

    def _alike(self, sampler):
        """(sampler, key): the first that was seen of those that only their random
        numbers tell apart. What was compiled for one serves all."""
        config = serialize(sampler)
        config["config"] = {k: v for k, v in config["config"].items() if k != "seed"}
        key = type(sampler), repr(config)
        return self._writing.samplers.setdefault(key, sampler), key

    def function(self, key, make):
        """What was made for a key before, or is made now.

        Weights that were replaced, as by `quantize` and `enable_lora`, begin anew.
        """
        weights = tuple((v.path, v.dtype) for v in self.backbone.variables)
        functions = self._writing.functions
        if functions.get("weights") != weights:
            functions.clear()
            functions["weights"] = weights
        if key not in functions:
            functions[key] = make()
        return functions[key]

    # Keeping

    def serving_resources(self):
        return [self, _Seeds(self.sampler)]

    def export(self, filepath, *args, max_length=None, **kwargs):
        """As `Task.export`: strings in, what the sampler of `compile` writes out.

        Args:
            filepath, *args, **kwargs: As in `Task.export`.
            max_length: As in `generate`.
        """
        self._check_length(max_length)
        self._writing.served_length = max_length
        super().export(filepath, *args, **kwargs)

    def serve(self, text):
        """string [N]: what an export computes, `generate` in one graph."""
        length = self._writing.served_length
        with portable_ops():
            with on_cpu():
                given = self.preprocessor.generate_preprocess(
                    text, sequence_length=length
                )
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


@contextlib.contextmanager
def _in_place_of(used, sampler):
    """Another sampler's random numbers, in one for which something was compiled."""
    if used is sampler:
        yield
        return
    kept = [variable.numpy() for variable in used.variables]
    for ours, theirs in zip(used.variables, sampler.variables, strict=True):
        ours.assign(theirs)
    yield
    for ours, theirs, own in zip(used.variables, sampler.variables, kept, strict=True):
        theirs.assign(ours)
        ours.assign(own)


def compiled(function):
    """tf.function for tensors of any size."""
    return tf.function(function, reduce_retracing=True, autograph=False)


def _checked(sampler):
    sampler = get_sampler(sampler)
    if not isinstance(sampler, Sampler):
        raise ValueError(
            "`sampler` must be a name or a samplers.Sampler. Received: "
            f"{type(sampler).__name__}. Try 'greedy'."
        )
    return sampler


def _batches(inputs, batch_size):
    """(batches of texts, whether there is one text)"""
    if isinstance(inputs, tf.data.Dataset):
        spec = tf.nest.flatten(inputs.element_spec)[0]
        if spec.shape.rank != 1:
            raise ValueError(
                "A Dataset must hold batches of texts, string [B]. Received: "
                f"{inputs.element_spec}. Try dataset.batch(32)."
            )
        firsts = (x[0] if isinstance(x, tuple) else x for x in inputs)
        return firsts, False
    if isinstance(inputs, dict):
        size = len(next(iter(inputs.values())))
        batch_size = batch_size or max(size, 1)
        return [
            {name: x[i : i + batch_size] for name, x in inputs.items()}
            for i in range(0, size, batch_size)
        ], False
    one = isinstance(inputs, (str, bytes)) or getattr(inputs, "shape", None) == ()
    texts = [inputs] if one else inputs
    if not isinstance(texts, (list, tuple)) and not hasattr(texts, "shape"):
        raise ValueError(
            "`generate` takes a text, or a list of texts. Received: "
            f"{type(inputs).__name__}."
        )
    if any(isinstance(text, (list, tuple)) for text in texts):
        raise ValueError("`generate` takes a list of texts. Received: a list of lists.")
    size = batch_size or max(len(texts), 1)
    return [texts[i : i + size] for i in range(0, len(texts), size)], one
