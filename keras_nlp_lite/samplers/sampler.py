"""How a text is continued: the loop that all samplers share."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive, check_positive_int
from keras_nlp_lite.ops.tracing import in_xla
from keras_nlp_lite.samplers import processors
from keras_nlp_lite.samplers.arguments import check_count, check_words, row_tensor
from keras_nlp_lite.samplers.live_rows import drop_finished_rows, put_back


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Sampler:
    """Continues texts token by token; subclasses say which token comes next.

    A sampler of one's own overrides `get_next_token`, and may override
    `compute_probabilities`.

    Shapes: B texts, L columns of a text's row, R rows of a step, V vocabulary. A row
    that has come to its end is left out of later steps, so that R falls from B.

    Args:
        temperature: Divides the logits. Below 1 likely tokens become likelier; above 1
            all become more alike.
        repetition_penalty: Tokens that a row holds already have their logits divided by
            it where positive, multiplied where negative. 1 is none; 1.2 is usual.
        no_repeat_ngram_size: No run of so many tokens comes twice in a row. 0 is off.
        bad_words_ids: List of lists of token ids: sequences that are not completed.
        min_length: Tokens of a row, its prompt included, before which it does not end.
        num_return_sequences: How many continuations each text gets.

    Call arguments:
        next: Function of (prompt int [R, L], cache, index) that gives (logits float
            [R, V] of the tokens of column `index`, hidden states or None, the new
            cache). It sees as many rows as are not finished. AutoGraph leaves it as
            it is.
        prompt: int [B, L]: the texts so far, and room for what follows.
        cache: A nest of tensors whose first axis is rows; what `next` returned last.
        index: The first column to write.
        mask: bool [B, L], True at columns that are given and not overwritten.
        stop_token_ids: Ids that end a row. Behind one that was written, the row keeps
            what stood in the prompt. The loop ends when all rows have ended.
        hidden_states: float [B, L, D]: those of the prompt; contrastive search alone
            needs them.
        model: Not used; taken for the sake of scripts that pass it.
        starts: int [B], the column where a row's text begins, behind its padding.
        ends: int [B], the column where a row is full; all have L columns by default.
        drop_finished: Whether `next` is spared the rows that have ended. Pass False for
            a `next` that can take all rows only.

    Returns:
        int [B * num_return_sequences, L]; a text's continuations follow one another.

    Raises:
        ValueError: an argument out of its range, or of the wrong shape.

    The call is `begin`, then `step` for as long as `goes_on`, then `end`; who wants
    each token as it comes calls those.

    Example:

    >>> class SecondBest(Sampler):
    ...     def get_next_token(self, probabilities):
    ...         return keras.ops.top_k(probabilities, 2)[1][:, 1]
    >>> def next(prompt, cache, index):
    ...     return keras.ops.array([[0.1, 0.2, 0.7]]), None, cache
    >>> SecondBest()(next, [[2, 0, 0, 0]], index=1).numpy()
    array([[2, 1, 1, 1]], dtype=int32)
    """

    cache_rows = 1  # of each text

    def __init__(
        self,
        temperature=1.0,
        *,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        bad_words_ids=None,
        min_length=0,
        num_return_sequences=1,
    ):
        if temperature == 0:
            raise ValueError(
                "`temperature` must be above 0. Received: temperature=0. To always take "
                "the likeliest token, use GreedySampler()."
            )
        check_positive("temperature", temperature)
        check_positive("repetition_penalty", repetition_penalty)
        check_count("no_repeat_ngram_size", no_repeat_ngram_size)
        check_words("bad_words_ids", bad_words_ids)
        check_count("min_length", min_length)
        check_positive_int("num_return_sequences", num_return_sequences)
        self.temperature = temperature
        self.repetition_penalty = repetition_penalty
        self.no_repeat_ngram_size = no_repeat_ngram_size
        self.bad_words_ids = bad_words_ids
        self.min_length = min_length
        self.num_return_sequences = num_return_sequences

    @property
    def variables(self):
        """Those of the sampler's seed generators."""
        generators = (
            x for x in vars(self).values() if isinstance(x, keras.random.SeedGenerator)
        )
        return [generator.state for generator in generators]

    # Nothing here is for AutoGraph, whose walk through it takes longer than the tracing.
    @tf.autograph.experimental.do_not_convert
    def __call__(
        self,
        next,
        prompt,
        cache=None,
        index=0,
        mask=None,
        stop_token_ids=None,
        hidden_states=None,
        model=None,
        *,
        starts=None,
        ends=None,
        drop_finished=True,
    ):
        state = self.begin(
            prompt,
            cache,
            index,
            mask=mask,
            stop_token_ids=stop_token_ids,
            starts=starts,
            ends=ends,
            next=next,
            hidden_states=hidden_states,
            drop_finished=drop_finished,
        )
        (state,) = tf.while_loop(
            self.goes_on,
            lambda state: (self.step(next, state),),
            (state,),
            shape_invariants=(_shapes(state),),
            maximum_iterations=_columns(state) - state["index"],
        )
        return self.end(state)

    def begin(
        self,
        prompt,
        cache=None,
        index=0,
        *,
        mask=None,
        stop_token_ids=None,
        starts=None,
        ends=None,
        next=None,
        hidden_states=None,
        drop_finished=True,
    ):
        """The state before the first token.

        Args:
            As of a call. A plain loop does not use `next` here, nor `hidden_states`.

        Returns:
            A dict of tensors, and of dicts of them, to hand to `step`:

            - "index": int32, the column to be written;
            - "cache": for `next`;
            - "stop_token_ids": int [number of stop ids];
            - "rows": what belongs to each text that still goes on;
            - "results": what belongs to each text, where rows may be dropped, and
              "live": int32, the text of each row.
        """
        prompt = tf.convert_to_tensor(prompt)
        if prompt.shape.rank != 2 or not prompt.dtype.is_integer:
            raise ValueError(
                "`prompt` must be of integers [texts, columns]. Received: "
                f"shape={prompt.shape}, dtype={prompt.dtype.name}."
            )
        B = tf.shape(prompt)[0]
        starts = 0 if starts is None else starts
        starts = row_tensor("starts", starts, "int32", rank=1, default_shape=[B])
        ends = tf.shape(prompt)[1] if ends is None else ends
        ends = row_tensor("ends", ends, "int32", rank=1, default_shape=[B])
        rows = {"tokens": prompt, "starts": starts, "ends": ends}
        if mask is not None:
            rows["mask"] = row_tensor("mask", mask, "bool", rank=2)
        rows["done"] = tf.zeros([B], tf.bool)
        if self.num_return_sequences > 1 and self.cache_rows == 1:
            rows = self._repeated(rows)
            cache = self._repeated(() if cache is None else cache)
        if stop_token_ids is None:
            stop_token_ids = []
        stop_token_ids = tf.reshape(tf.cast(stop_token_ids, prompt.dtype), [-1])
        state = {
            "index": tf.cast(index, tf.int32),
            "cache": tf.nest.map_structure(
                tf.convert_to_tensor, () if cache is None else cache
            ),
            "stop_token_ids": stop_token_ids,
            "rows": rows,
        }
        state = self._begun(state, next, hidden_states)
        rows = state["rows"]
        if drop_finished and stop_token_ids.shape[0] != 0 and not in_xla():
            state["results"] = {name: rows[name] for name in self._result_names()}
            state["live"] = tf.range(tf.shape(rows["done"])[0])
        return state

    def goes_on(self, state):
        """bool tensor, whether a step is left to do."""
        room = state["index"] < _columns(state)
        return room & ~tf.reduce_all(state["rows"]["done"])

    def step(self, next, state):
        """The state with the tokens of one more column.

        Args:
            next: As of a call.
            state: As `begin` or the last step returned it.
        """
        rows, index = state["rows"], state["index"]
        logits, _, cache = next(rows["tokens"], state["cache"], index)
        logits = self._processed(tf.cast(logits, tf.float32), rows, state)
        new = self._next_token(logits)
        rows = {**rows, **self._written(rows, new, state)}
        return self._advanced(state, rows, cache)

    def end(self, state):
        """The tokens of all texts: int [B * num_return_sequences, L].

        It may be asked after any step, and changes nothing.
        """
        return self._results(state)["tokens"]

    def compute_probabilities(self, logits):
        """float32 [R, V]: the softmax of the logits, divided by the temperature."""
        return tf.nn.softmax(tf.cast(logits, tf.float32) / self.temperature)

    def get_next_token(self, probabilities):
        """The choice: from float32 [R, V], int [R]."""
        raise NotImplementedError(
            "A sampler must override `get_next_token(probabilities)`. Received: "
            f"{type(self).__name__}, which does not."
        )

    def get_config(self):
        return {
            "temperature": self.temperature,
            "repetition_penalty": self.repetition_penalty,
            "no_repeat_ngram_size": self.no_repeat_ngram_size,
            "bad_words_ids": self.bad_words_ids,
            "min_length": self.min_length,
            "num_return_sequences": self.num_return_sequences,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def _begun(self, state, next, hidden_states):
        """The first state, with what other searches have besides."""
        return state

    def _result_names(self):
        """The rows that hold what the search is for."""
        return ("tokens",)

    def _next_token(self, logits):
        return self.get_next_token(self.compute_probabilities(logits))

    def _repeated(self, x):
        n = self.num_return_sequences
        return tf.nest.map_structure(lambda x: tf.repeat(x, n, axis=0), x)

    def _processed(self, logits, rows, state):
        """The logits of R rows, float32 [R, V], as penalties and bans leave them."""
        tokens, starts, index = rows["tokens"], rows["starts"], state["index"]
        if self.repetition_penalty != 1:
            logits = processors.penalize_repetition(
                logits, tokens, starts, index, self.repetition_penalty
            )
        if self.no_repeat_ngram_size:
            logits = processors.ban_repeated_ngrams(
                logits, tokens, starts, index, self.no_repeat_ngram_size
            )
        if self.bad_words_ids:
            logits = processors.ban_words(
                logits, tokens, starts, index, self.bad_words_ids
            )
        if self.min_length and state["stop_token_ids"].shape[0] != 0:
            too_short = index - starts < self.min_length
            logits = processors.ban_ids(logits, state["stop_token_ids"], too_short)
        return logits

    def _kept(self, rows, state):
        """bool [R], whether a row's token of this column stays as it is."""
        if "mask" not in rows:
            return rows["done"]
        return rows["done"] | tf.gather(rows["mask"], state["index"], axis=1)

    def _written(self, rows, new, state):
        """The rows' "tokens" and "done", with the new tokens, int [R], in place."""
        tokens, index = rows["tokens"], state["index"]
        old = tf.gather(tokens, index, axis=1)
        kept = self._kept(rows, state)
        new = tf.where(kept, old, tf.cast(new, tokens.dtype))
        stops = ~kept & is_any_of(new, state["stop_token_ids"])
        here = tf.range(tf.shape(tokens)[1]) == index
        return {
            "tokens": tf.where(here, new[:, None], tokens),
            "done": rows["done"] | stops | (index + 1 >= rows["ends"]),
        }

    def _advanced(self, state, rows, cache):
        """The next step's state: one column on, without the rows that are finished."""
        flat = tf.nest.flatten(() if cache is None else cache)
        flat = [tf.convert_to_tensor(x) for x in flat]
        cache = tf.nest.pack_sequence_as(state["cache"], flat)
        # A loop takes no tensor of whose shape less is known than before.
        shapes = _shapes(state)
        for new, shape in zip(
            tf.nest.flatten([rows, cache]),
            tf.nest.flatten([shapes["rows"], shapes["cache"]]),
            strict=True,
        ):
            new.set_shape(shape)
        state = {**state, "rows": rows, "cache": cache, "index": state["index"] + 1}
        if "live" in state and not in_xla():
            state = drop_finished_rows(state, self.cache_rows)
        return state

    def _results(self, state):
        """What the rows hold, of all texts."""
        if "live" in state:
            return put_back(state)
        return {name: state["rows"][name] for name in self._result_names()}


def is_any_of(tokens, ids):
    """bool in the tokens' shape: which of them are among ids, int [K]."""
    return tf.reduce_any(tokens[..., None] == ids, axis=-1)


def _columns(state):
    return tf.shape(state["rows"]["tokens"])[-1]


def _shapes(state):
    """The loop's shape invariants: rows may become fewer, and the cache longer."""
    shapes = tf.nest.map_structure(lambda x: x.shape, state)
    if "live" in state:
        shapes["live"] = tf.TensorShape([None])
        for name, shape in shapes["rows"].items():
            shapes["rows"][name] = tf.TensorShape([None, *shape[1:]])
    if not in_xla():
        shapes["cache"] = tf.nest.map_structure(
            lambda x: tf.TensorShape([None] * x.shape.rank), state["cache"]
        )
    return shapes
