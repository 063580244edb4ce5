"""Beam search: several texts at once, the likeliest of which are followed."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.samplers import beams
from keras_nlp_lite.samplers.processors import BANNED
from keras_nlp_lite.samplers.sampler import Sampler, is_any_of

# The score of a text that is none yet: below that of all texts, and a number.
NO_TEXT = -1e9


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BeamSampler(Sampler):
    """Follows the `num_beams` likeliest texts at a time, and returns the best.

    A text's score is the sum of its tokens' log-probabilities, of those written, divided
    by their number to the power of `length_penalty`. Texts, scores and the end of the
    search are those of `transformers`.

    Shapes: B texts, N beams, L columns, V vocabulary, K candidates.

    Args:
        num_beams: N.
        return_all_beams: Whether to return all beams, and their scores.
        length_penalty: 0 compares sums, which favour short texts; 1 compares means.
        early_stopping: When a text's search ends. True: once N beams have ended. False:
            once no beam that goes on scores better now than the worst that ended.
            "never": once none can come to score better.
        **kwargs: As of `Sampler`. `num_return_sequences` best beams are returned.

    Returns:
        int [B * num_return_sequences, L]. With `return_all_beams`, a pair: tokens int
        [B, N, L], best first, and their scores, float32 [B, N].

    Raises:
        ValueError: more continuations asked for than beams; as `Sampler`.

    `next` may have two attributes, where it knows a cheaper way than to copy its cache:
    `next.beams(cache, num_beams)` gives the cache of B * N rows, and
    `next.reorder(cache, parents)` the one whose beam n of text b goes on from beam
    parents[b, n], int32 [B, N].

    Example: "a b" is less likely than "b b", though "a" is likelier than "b".

    >>> chances = keras.ops.array([[0.0, 0.6, 0.4], [0.4, 0.3, 0.3], [0.0, 0.1, 0.9]])
    >>> def next(prompt, cache, index):
    ...     last = keras.ops.take(prompt, index - 1, axis=1)
    ...     return keras.ops.log(keras.ops.take(chances, last, axis=0)), None, cache
    >>> BeamSampler(num_beams=2)(next, [[0, 0, 0]], index=1).numpy()
    array([[0, 2, 2]], dtype=int32)
    """

    def __init__(
        self,
        num_beams=5,
        return_all_beams=False,
        *,
        length_penalty=0.0,
        early_stopping=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_int("num_beams", num_beams)
        number = isinstance(length_penalty, (int, float))
        if isinstance(length_penalty, bool) or not number:
            raise ValueError(
                "`length_penalty` must be a number. Received: "
                f"length_penalty={length_penalty!r}."
            )
        if not (isinstance(early_stopping, bool) or early_stopping == "never"):
            raise ValueError(
                "`early_stopping` must be False, True or 'never'. Received: "
                f"early_stopping={early_stopping!r}."
            )
        if self.num_return_sequences > num_beams:
            raise ValueError(
                "`num_return_sequences` must be at most `num_beams`. Received: "
                f"num_return_sequences={self.num_return_sequences}, "
                f"num_beams={num_beams}."
            )
        if return_all_beams and self.num_return_sequences > 1:
            raise ValueError(
                "`return_all_beams` returns them all. Received, too: "
                f"num_return_sequences={self.num_return_sequences}. Leave one out."
            )
        self.num_beams = num_beams
        self.return_all_beams = return_all_beams
        self.length_penalty = length_penalty
        self.early_stopping = early_stopping

    @property
    def cache_rows(self):
        return self.num_beams

    def step(self, next, state):
        rows, index = state["rows"], state["index"]
        N, L = self.num_beams, tf.shape(rows["tokens"])[2]
        flat = {
            "tokens": tf.reshape(rows["tokens"], [-1, L]),
            "starts": tf.repeat(rows["starts"], N),
        }
        logits, _, cache = next(flat["tokens"], state["cache"], index)
        log_probs = self._log_probs(tf.cast(logits, tf.float32))
        log_probs = self._processed(log_probs, flat, state)
        V = tf.shape(log_probs)[1]
        log_probs = tf.reshape(log_probs, [-1, N, V])
        written = tf.ones_like(rows["done"])
        if "mask" in rows:
            written = ~tf.gather(rows["mask"], index, axis=1)
            log_probs = _forced(log_probs, rows["tokens"], index, ~written)

        # As many candidates as leave N that go on, whichever others end.
        stops = state["stop_token_ids"]
        K = max(2, 1 + stops.shape[0]) * N
        # The best of each beam first: its tokens need no sums but those of the best.
        best, ids = tf.math.top_k(log_probs, tf.minimum(K, V))  # [B, N, K] each
        sums = _flat(best + rows["scores"][..., None])
        sums, places = tf.math.top_k(sums, tf.minimum(K, tf.shape(sums)[1]))  # [B, K]
        parents = places // tf.shape(best)[2]
        new = tf.cast(tf.gather(_flat(ids), places, batch_dims=1), flat["tokens"].dtype)
        here = tf.range(L) == index
        tokens = tf.gather(rows["tokens"], parents, batch_dims=1)  # [B, K, L]
        tokens = tf.where(here, new[..., None], tokens)
        ends = is_any_of(new, stops) & written[:, None]  # [B, K]
        ends |= (index + 1 >= rows["ends"])[:, None]

        scores, going = tf.math.top_k(sums + _penalty(ends), N)
        cache = beams.reorder(next, cache, tf.gather(parents, going, batch_dims=1))
        rows = {
            **rows,
            "tokens": tf.gather(tokens, going, batch_dims=1),
            "scores": scores,
            "length": rows["length"] + tf.cast(written, tf.int32),
        }
        rows.update(self._with_ended(rows, tokens, sums, ends))
        rows["done"] |= self._is_over(rows)
        return self._advanced(state, rows, cache)

    def end(self, state):
        """The best texts found so far, those of a call: see `BeamSampler`.

        It may be asked after any step, and changes nothing. Of a text whose beams have
        not ended, they are those that go on.
        """
        found = self._results(state)
        any_ended = tf.reduce_any(found["ended"], axis=1, keepdims=True)  # [B, 1]
        best = tf.where(any_ended[..., None], found["best"], found["tokens"])
        scores = tf.where(any_ended, found["best_scores"], found["scores"])
        if self.return_all_beams:
            return best, scores
        best = best[:, : self.num_return_sequences]
        return tf.reshape(best, [-1, tf.shape(best)[2]])

    def get_config(self):
        return {
            **super().get_config(),
            "num_beams": self.num_beams,
            "return_all_beams": self.return_all_beams,
            "length_penalty": self.length_penalty,
            "early_stopping": self.early_stopping,
        }

    def _begun(self, state, next, hidden_states):
        rows, N = dict(state["rows"]), self.num_beams
        tokens = rows["tokens"]
        B = tf.shape(tokens)[0]
        rows["room"] = rows["ends"] - state["index"]
        if "mask" in rows:
            given = tf.cast(rows["mask"][:, state["index"] :], tf.int32)
            rows["room"] -= tf.reduce_sum(given, axis=1)
        rows["length"] = tf.zeros([B], tf.int32)  # tokens written
        # All beams are alike at first: only one of them counts.
        first = tf.constant([[0.0] + (N - 1) * [NO_TEXT]])
        rows["scores"] = tf.repeat(first, B, axis=0)
        rows["tokens"] = tf.repeat(tokens[:, None], N, axis=1)
        # The N best texts that have ended, where `ended`.
        rows["best"] = rows["tokens"]
        rows["best_scores"] = tf.fill([B, N], NO_TEXT)
        rows["ended"] = tf.zeros([B, N], tf.bool)
        return {**state, "rows": rows, "cache": beams.spread(next, state["cache"], N)}

    def _result_names(self):
        return ("tokens", "scores", "best", "best_scores", "ended")

    def _log_probs(self, logits):
        if type(self).compute_probabilities is Sampler.compute_probabilities:
            # Of a token however unlikely, whose probability would be 0.
            return tf.nn.log_softmax(logits / self.temperature)
        return tf.math.log(self.compute_probabilities(logits))

    def _scored(self, sums, lengths):
        """float32: sums [B, K] of texts of so many tokens, int32 [B], as scores."""
        lengths = tf.cast(tf.maximum(lengths, 1), tf.float32)
        return sums / (lengths**self.length_penalty)[:, None]

    def _with_ended(self, rows, tokens, sums, ends):
        """The best texts that have ended, candidates among them: rows to update."""
        # Candidates beyond the first N stand in for those that end, and never end.
        now = ends & (tf.range(tf.shape(ends)[1]) < self.num_beams)
        scores = self._scored(sums, rows["length"])
        scores += _penalty(~now | rows["done"][:, None])
        scores = tf.concat([rows["best_scores"], scores], axis=1)
        scores, best = tf.math.top_k(scores, self.num_beams)
        tokens = tf.concat([rows["best"], tokens], axis=1)
        ended = tf.concat([rows["ended"], now], axis=1)
        return {
            "best": tf.gather(tokens, best, batch_dims=1),
            "best_scores": scores,
            "ended": tf.gather(ended, best, batch_dims=1),
        }

    def _is_over(self, rows):
        """bool [B]: whether the search for a text has ended."""
        longest = self.early_stopping == "never" and self.length_penalty > 0
        lengths = rows["room"] if longest else rows["length"]
        hope = self._scored(rows["scores"][:, :1], lengths)  # [B, 1]
        worst = tf.reduce_min(rows["best_scores"], axis=1, keepdims=True)
        to_beat = tf.where(rows["ended"], worst, NO_TEXT)  # [B, N]
        over = ~tf.reduce_any(hope > to_beat, axis=1)
        if self.early_stopping is True:
            over |= tf.reduce_all(rows["ended"], axis=1)
        return over


def _flat(x):
    """[B, N * K], of [B, N, K]"""
    return tf.reshape(x, [tf.shape(x)[0], -1])


def _penalty(where):
    return tf.where(where, NO_TEXT, 0.0)


def _forced(log_probs, tokens, index, given):
    """Log-probabilities, [B, N, V], that leave given columns, bool [B], as they are."""
    given_tokens = tf.gather(tokens, index, axis=2)  # [B, N]
    ids = tf.range(tf.shape(log_probs)[2], dtype=tokens.dtype)
    forced = tf.where(given_tokens[..., None] == ids, 0.0, BANNED)
    return tf.where(given[:, None, None], forced, log_probs)
