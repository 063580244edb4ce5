"""The compiled `cached_attention`."""

import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.portable import kept_on_cpu


def fused_cached_attention(
    q, k, v, cache, index, *, starts, ancestors, beams, scale, window, soft_cap, slopes
):
    """`cached_attention_formula`, compiled; the library must be there."""
    with kept_on_cpu(q):
        return library.load().knl_cached_attention(
            q=q,
            k=k,
            v=v,
            cache=cache,
            index=index,
            starts=_list(starts),
            ancestors=_list(ancestors),
            slopes=_list(slopes),
            scale=scale,
            soft_cap=soft_cap or 0.0,
            window=-1 if window is None else window,
            beams=beams,
        )


def _list(x):
    return [] if x is None else [x]


@tf.RegisterGradient("KnlCachedAttention")
def _no_gradient(op, *_):
    raise NotImplementedError(
        "`cached_attention` has no gradient: a cache is for answers. Try `attention` "
        "over the whole text to train, or `portable_ops`, in which it is a formula that "
        "has one."
    )
