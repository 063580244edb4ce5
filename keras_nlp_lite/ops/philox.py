"""Random bits that say which attention weights dropout drops.

They are a function of (seed, batch, head, query, key) alone: compiled kernels, whatever
their tiles and threads, and the plain formula here drop the same weights, and a backward
pass draws them again instead of storing them.

Philox4x32 with 7 rounds, the fewest that pass the statistical tests of BigCrush.
Reference: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

import keras
import numpy as np

ROUNDS = 7
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the key from round to round


def philox(counter, key, rounds=ROUNDS):
    """Scrambles counters into random words.

    Args:
        counter: Four uint32 tensors that broadcast.
        key: Two uint32 scalars, the seed.
        rounds: How often to scramble.

    Returns:
        Four uint32 tensors of the broadcast shape.

    Example:

    >>> zero = keras.ops.zeros((), "uint32")
    >>> print(*[f"{int(word):08x}" for word in philox([zero] * 4, [zero] * 2)])
    5f6fb709 0d893f64 4f121f81 4f730a48
    """
    xor = keras.ops.bitwise_xor
    x0, x1, x2, x3 = counter
    key0, key1 = key
    for _ in range(rounds):
        high0, low0 = _multiply(x0, MULTIPLIERS[0])
        high1, low1 = _multiply(x2, MULTIPLIERS[1])
        x0, x1 = xor(xor(high1, x1), key0), low1
        x2, x3 = xor(xor(high0, x3), key1), low0
        key0, key1 = key0 + np.uint32(WEYL[0]), key1 + np.uint32(WEYL[1])
    return x0, x1, x2, x3


def dropout_bits(seed, rows, queries, keys):
    """16 random bits for each weight of a batch of attention scores.

    Args:
        seed: uint32 [2].
        rows: How many (batch, head) pairs.
        queries: T. keys: S. Integers, or scalar tensors where a shape is not static.

    Returns:
        uint32 [rows, T, S], each below 65536; `dropout_bits_at`, eight times as fast.
    """
    half_queries, blocks = (queries + 1) // 2, (keys + 63) // 64
    counter = [
        _uint32(keras.ops.arange(blocks * 16)),
        _uint32(keras.ops.arange(half_queries))[:, None],
        _uint32(keras.ops.arange(rows))[:, None, None],
        keras.ops.zeros((), "uint32"),
    ]
    words = philox(counter, (seed[0], seed[1]))  # each [rows, T/2, 16 blocks]
    lanes = (rows, half_queries, blocks, 16)
    halves = [half for word in words for half in _halves(word)]
    halves = keras.ops.stack([keras.ops.reshape(half, lanes) for half in halves])
    # A counter serves 2 queries and, in steps of 16, 4 keys.
    halves = keras.ops.reshape(halves, (2, 4, *lanes))
    bits = keras.ops.transpose(halves, (2, 3, 0, 4, 1, 5))
    bits = keras.ops.reshape(bits, (rows, half_queries * 2, blocks * 64))
    return bits[:, :queries, :keys]


def dropout_bits_at(seed, row, query, key):
    """16 random bits for each of any attention weights.

    Args:
        seed: uint32 [2].
        row: int tensor, batch * heads + head.
        query: int tensor, the query's number in its sequence.
        key: int tensor, the key's number in its sequence. All three broadcast.

    Returns:
        uint32 of the broadcast shape, each below 65536.
    """
    counter = [
        _uint32(key // 64 * 16 + key % 16),
        _uint32(query // 2),
        _uint32(row),
        keras.ops.zeros((), "uint32"),
    ]
    words = philox(counter, (seed[0], seed[1]))
    even_query, first_half = query % 2 == 0, key // 32 % 2 == 0
    word = keras.ops.where(
        even_query,
        keras.ops.where(first_half, words[0], words[1]),
        keras.ops.where(first_half, words[2], words[3]),
    )
    low, high = _halves(word)
    return keras.ops.where(key // 16 % 2 == 0, low, high)


def dropout_threshold(rate):
    """The bits below which a weight is dropped: `rate`, in steps of 2^-16."""
    # In float32, as the kernels have it.
    return int(np.float32(rate) * np.float32(65536) + np.float32(0.5))


def _multiply(x, factor):
    """(high, low) words of the 64-bit product, made of 16-bit halves."""
    x_low, x_high = _halves(x)
    low, high = np.uint32(factor & 0xFFFF), np.uint32(factor >> 16)
    middle = x_high * low + _shift(x_low * low)
    middle_low, middle_high = _halves(middle)
    carried = _shift(x_low * high + middle_low)
    return x_high * high + middle_high + carried, x * np.uint32(factor)


def _halves(x):
    return keras.ops.bitwise_and(x, np.uint32(0xFFFF)), _shift(x)


def _shift(x):
    return keras.ops.bitwise_right_shift(x, np.uint32(16))


def _uint32(x):
    return keras.ops.cast(x, "uint32")
