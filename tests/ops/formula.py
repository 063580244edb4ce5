"""Attention in float64, query by query: slow, and too plain to be wrong.

And the ways of asking for it that tests go through: one entry a way.
"""

import numpy as np

B, T, S, H, G, D = 2, 5, 7, 6, 3, 11  # unlike primes where they can be
NEVER = -np.inf


def attention_in_float64(
    q,
    k,
    v,
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
):
    """`ops.attention`'s output and log-sum-exp, as arrays; `seed` is an integer."""
    if row_splits is not None:
        parts = packed_parts(q, k, v, row_splits, key_row_splits)
        options = {
            "causal": causal,
            "window": window,
            "alibi_slopes": alibi_slopes,
            "soft_cap": soft_cap,
            "scale": scale,
            "dropout": dropout,
        }
        results = [
            attention_in_float64(*part, **options, seed=seed and (seed, number))
            for number, part in enumerate(parts)
        ]
        return tuple(np.concatenate([x[0] for x in xs]) for xs in zip(*results))
    q, k, v = (np.asarray(x, "float64") for x in (q, k, v))
    B, T, H, D = q.shape
    S, G = k.shape[1:3]
    left, right = window if isinstance(window, tuple) else (window, window)
    right = 0 if causal else right
    if key_segment_ids is None:
        key_segment_ids = segment_ids
    if bias is not None:
        bias = np.broadcast_to(bias, (B, H, T, S))
    seed, first = seed if isinstance(seed, tuple) else (seed, 0)
    out, lse = np.zeros_like(q), np.full((B, T, H), NEVER)
    for b, t, h in np.ndindex(B, T, H):
        score = k[b, :, h // (H // G)] @ q[b, t, h]
        score = score * (scale or D**-0.5)
        position, keys = t + S - T, np.arange(S)
        if soft_cap:
            score = soft_cap * np.tanh(score / soft_cap)
        if bias is not None:
            score = score + bias[b, h, t]
        if alibi_slopes is not None:
            score = score - alibi_slopes[h] * abs(position - keys)
        seen = np.ones(S, bool)
        if left is not None:
            seen &= keys >= position - left
        if right is not None:
            seen &= keys <= position + right
        if padding_mask is not None:
            seen &= padding_mask[b]
        if key_lengths is not None:
            seen &= keys < key_lengths[b]
        if segment_ids is not None:
            seen &= key_segment_ids[b] == segment_ids[b, t]
        score = np.where(seen, score, NEVER)
        if score.max(initial=NEVER) == NEVER:
            continue
        weights = np.exp(score - score.max())
        lse[b, t, h] = np.log(weights.sum()) + score.max()
        weights /= weights.sum()
        if dropout:
            row = (first + b) * H + h
            bits = np.array([dropout_bits_of(seed, row, t, key) for key in range(S)])
            threshold = round(dropout * 65536)
            weights = np.where(bits < threshold, 0, weights / (1 - threshold / 65536))
        out[b, t, h] = weights @ v[b, :, h // (H // G)]
    return out, lse


def packed_parts(q, k, v, row_splits, key_row_splits=None):
    """(q, k, v) of each packed sequence, with a batch axis of 1."""
    if key_row_splits is None:
        key_row_splits = row_splits
    for begin, end, first, last in zip(
        row_splits, row_splits[1:], key_row_splits, key_row_splits[1:]
    ):
        yield q[None, begin:end], k[None, first:last], v[None, first:last]


def philox(counter, key, rounds):
    """Philox4x32 as Salmon et al. (2011) define it, on Python's integers."""
    x, key = list(counter), list(key)
    for _ in range(rounds):
        first, second = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        low = 2**32 - 1
        x = [
            second >> 32 ^ x[1] ^ key[0],
            second & low,
            first >> 32 ^ x[3] ^ key[1],
            first & low,
        ]
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return x


def dropout_bits_of(seed, row, query, key):
    """The 16 random bits of one attention weight."""
    counter = (key // 64 * 16 + key % 16, query // 2, row, 0)
    words = philox(counter, (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF), 7)
    word = words[2 * (query % 2) + key // 32 % 2]
    return word >> 16 if key // 16 % 2 else word & 0xFFFF


def inputs(T=T, S=S, H=H, G=G, D=D, B=B, seed=0):
    """q, k, v of normal numbers."""
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(B, T, H, D)).astype("float32")
    k, v = rng.normal(size=(2, B, S, G, D)).astype("float32")
    return q, k, v


def packed_inputs(splits, key_splits, H=H, G=G, D=D):
    """q, k, v of normal numbers, one sequence after the other."""
    q, k, v = inputs(splits[-1], key_splits[-1], H, G, D, B=1)
    return q[0], k[0], v[0]


def options(name, B=B, T=T, S=S, H=H):
    """Options of `ops.attention` for inputs of so many queries, keys and heads."""
    rng = np.random.default_rng(1)
    one_hidden = np.where(rng.random((1, H, T, S)) < 0.3, NEVER, 0)
    bias = rng.normal(size=(B, H, T, S)) + one_hidden
    near = max(1, S // 4)
    table = {
        "nothing": {},
        "causal": {"causal": True},
        "window": {"window": near},
        "uneven window": {"window": (0, near)},
        "window open to the left": {"window": (None, near)},
        "causal window": {"causal": True, "window": near},
        "padding mask": {"padding_mask": rng.random((B, S)) < 0.6},
        "key lengths": {"key_lengths": np.arange(B) * (S // 2)},
        "segments": {
            "segment_ids": np.sort(rng.integers(0, 3, (B, T))),
            "key_segment_ids": np.sort(rng.integers(0, 3, (B, S))),
        },
        "scattered segments": {
            "segment_ids": rng.integers(0, 9, (B, T)),
            "key_segment_ids": rng.integers(0, 9, (B, S)),
        },
        "bias": {"bias": bias.astype("float32")},
        "bias of a batch": {"bias": bias[:, :1].astype("float32")},
        "bias of heads": {"bias": bias[:1].astype("float32")},
        "flat bias": {"bias": bias[0, 0, :1].astype("float32")},
        "alibi": {"alibi_slopes": 2.0 ** -np.arange(1, H + 1).astype("float32")},
        "soft cap": {"soft_cap": 1.5},
        "scale": {"scale": 0.7},
        "dropout": {"dropout": 0.3, "seed": 123456789012345},
    }
    if name == "everything":
        names = ["window", "padding mask", "segments", "bias", "alibi", "dropout"]
        return {"soft_cap": 3.0, "scale": 0.2, "causal": True} | {
            x: y for name in names for x, y in table[name].items()
        }
    return table if name is None else table[name]


OPTIONS = [*options(None), "everything"]

# (name of the options, splits, key splits); both kinds have empty sequences.
PACKED = {
    "packed": ("nothing", [0, 3, 3, 10, 11], None),
    "packed, causal": ("causal", [0, 3, 3, 10, 11], None),
    "packed, other keys": ("causal window", [0, 3, 3, 10, 11], [0, 5, 9, 13, 13]),
    "packed, alibi": ("alibi", [0, 3, 3, 10, 11], [0, 5, 9, 13, 13]),
    "packed, soft cap": ("soft cap", [0, 3, 3, 10, 11], None),
    "packed, dropout": ("dropout", [0, 3, 3, 10, 11], [0, 5, 9, 13, 13]),
}


def packed_case(name, factor=1):
    """(q, k, v), options; sequences `factor` times as long."""
    name, splits, key_splits = PACKED[name]
    splits = np.array(splits) * factor
    key_splits = None if key_splits is None else np.array(key_splits) * factor
    qkv = packed_inputs(splits, splits if key_splits is None else key_splits)
    given = {"row_splits": splits, "key_row_splits": key_splits}
    return qkv, {**given, **options(name)}
