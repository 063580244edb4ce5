"""Attention: one entry for every layer, fused where it can be."""

import keras

from keras_nlp_lite.ops import arguments, fused, library
from keras_nlp_lite.ops.listening import tell
from keras_nlp_lite.ops.portable import device_type, why_not_compiled
from keras_nlp_lite.ops.recorded import Recorded
from keras_nlp_lite.ops.reference import reference_attention

# What kernels of Hopper's own instructions leave to those of all GPUs.
_NOT_PLAIN = (
    "padding_mask",
    "segment_ids",
    "key_segment_ids",
    "bias",
    "alibi_slopes",
    "soft_cap",
)


def attention(
    q,
    k,
    v,
    *,
    causal=False,
    window=None,
    padding_mask=None,
    key_lengths=None,
    segment_ids=None,
    key_segment_ids=None,
    row_splits=None,
    key_row_splits=None,
    bias=None,
    alibi_slopes=None,
    soft_cap=None,
    scale=None,
    dropout=0.0,
    seed=None,
    return_log_sum_exp=False,
):
    """Each query's mean of the values, weighted by how well their keys fit it.

    That is softmax(scale * q k^T + bias) v over the keys that a query sees. A compiled
    kernel computes it without storing the queries x keys scores, where there is one;
    `attention_implementation` tells. Floats of 64 bits and heads wider than 256 have none.

    Shapes: B batch, T queries, S keys, H heads, G key/value heads, D width of a head.

    Query i stands at position i + S - T among the keys: the last query sees the last
    key, as when a text grows by a few tokens whose past is cached. (Keras's causal
    masks let query i see key i, whatever T and S are; for T = S it is the same.)

    Args:
        q: float [B, T, H, D], or packed: [total queries, H, D] with `row_splits`.
        k, v: float [B, S, G, D] or [total keys, G, D]. G divides H; query head h reads
            key/value head h // (H / G).
        causal: Whether a query sees keys up to its position only.
        window: How many keys a query sees before and after its position, beside the
            one at it: an integer, or a pair, None for all. `causal` makes the second 0.
        padding_mask: bool [B, S], False at keys that nobody sees.
        key_lengths: int [B]: the same, where padding comes last.
        segment_ids: int [B, T]; a query sees keys of its own segment only.
        key_segment_ids: int [B, S]; `segment_ids` by default.
        row_splits: int [B + 1], rising from 0 to the number of packed queries: where
            each sequence begins and ends. Positions count from its beginning. Others
            are refused on a CPU, and not looked at on a GPU.
        key_row_splits: The same of the keys; `row_splits` by default.
        bias: float, broadcasts to [B, H, T, S] and is added to the scaled and capped
            scores; -infinity hides a key, and a finite number counts as at most 1e4 in
            size. Has a gradient.
        alibi_slopes: float [H]; slope * |position - key| is subtracted. Not learned.
        soft_cap: c; a score becomes c tanh(score / c).
        scale: Of q k^T; 1 / sqrt(D) by default.
        dropout: Share of the weights dropped, in steps of 2^-16; the rest grow to make
            up for them. Active wherever it is not 0: layers pass 0 outside training.
        seed: Which weights are dropped: an integer, two in an integer tensor [2], or a
            `keras.random.SeedGenerator`, from which one is drawn.
        return_log_sum_exp: Whether to return the log-sum-exp of the scores, too.

    Returns:
        Float in q's shape, of the inputs' dtype; sums run in float32 (float64 for
        float64). With `return_log_sum_exp`, also float32 [B, T, H] or [total, H].
        A query that sees no key gives zeros, log-sum-exp -infinity and zero gradients.

    Raises:
        ValueError: Shapes or options that do not fit together.

    Example:

    >>> q, k, v = keras.random.normal((3, 2, 5, 4, 8), seed=0)
    >>> attention(q, k, v, causal=True, key_lengths=[5, 3]).shape
    TensorShape([2, 5, 4, 8])

    Reference: Dao et al., "FlashAttention", arXiv:2205.14135.
    """
    options = dict(locals())
    q, k, v, options = arguments.tensors(
        options.pop("q"), options.pop("k"), options.pop("v"), options
    )
    arguments.check(q, k, v, options)
    given = {x: options.pop(x) for x in arguments.TENSORS}
    if any(isinstance(x, keras.KerasTensor) for x in (q, k, v, *given.values())):
        return Attention(**options)(q, k, v, **given)
    implementation = reference_attention
    if _why_reference(q, keras.backend.standardize_dtype(q.dtype)) is None:
        implementation = fused.fused_attention
    normal = arguments.normal_form(q, k, v, {**given, **options})
    tell(normal)
    out, lse = implementation(**normal)
    return (out, lse) if return_log_sum_exp else out


def attention_implementation(q=None, k=None, v=None, *, dtype=None, **options):
    """Which implementation serves `attention`, and if it is the slow one, why.

    Args:
        q, k, v: As in `attention`; without them the answer is for the default device.
        dtype: Of q, k and v where they are not given; float32 by default.
        **options: As in `attention`.

    Returns:
        A line such as "fused: cpu, avx512, float32" or "fused: gpu, sm_90, wgmma,
        bfloat16", or "reference: float64, because the compiled kernels have float16,
        bfloat16 and float32".

    Raises:
        ValueError: As `attention` does.

    Example:

    >>> q, k, v = keras.ops.ones((3, 2, 5, 4, 512))
    >>> attention_implementation(q, k, v, causal=True)
    'reference: float32, because ...'
    """
    dtype = dtype or "float32"
    if q is not None:
        defaults = attention.__kwdefaults__
        unknown = sorted(options.keys() - defaults.keys())
        if unknown:
            raise TypeError(f"`attention` has no argument {', '.join(unknown)}.")
        q, k, v, options = arguments.tensors(q, k, v, {**defaults, **options})
        arguments.check(q, k, v, options)
        dtype = keras.backend.standardize_dtype(q.dtype)
    why = _why_reference(q, dtype)
    if why is not None:
        return f"reference: {dtype}, because {why}"
    if device_type(q) == "CPU":
        return f"fused: cpu, {library.instruction_set(dtype)}, {dtype}"
    plain = all(options.get(name) is None for name in _NOT_PLAIN)
    return f"fused: gpu, {library.gpu_implementation(dtype, _width(q), plain)}, {dtype}"


def _why_reference(q, dtype):
    """None if the compiled op can serve, else the end of a sentence."""
    width = _width(q)
    if width > fused.MAX_WIDTH:
        # A GPU would be asked for such heads, and these are nowhere.
        why = why_not_compiled(q, dtype, lambda: None)
        wide = f"heads are {width} wide, of at most {fused.MAX_WIDTH} compiled"
        return wide if why is None else why
    return why_not_compiled(q, dtype, lambda: library.why_not_on_gpu(dtype, width))


def _width(q):
    """Of a head; where none is given, a width that is common."""
    return 64 if q is None else q.shape[-1]


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Attention(Recorded):
    """`attention` as functional models record it.

    Args:
        **options: Those arguments of `attention` that are no tensors.

    Call arguments:
        q, k, v: As in `attention`.
        **given: Those of its arguments that are tensors.
    """

    def call(self, q, k, v, **given):
        return attention(q, k, v, **given, **self.options)

    def compute_output_spec(self, q, k, v, **given):
        dtype = keras.backend.result_type(q.dtype, k.dtype, v.dtype)
        out = keras.KerasTensor(q.shape, dtype=dtype)
        if not self.options["return_log_sum_exp"]:
            return out
        full = "float64" if dtype == "float64" else "float32"
        return out, keras.KerasTensor(q.shape[:-1], dtype=full)
