"""Texts for the tests of training: made up, the same every time."""

import random

SYLLABLES = ["ba", "be", "lo", "mi", "nu", "ra", "so", "ti", "vé", "ža"]
SYLLABLES += ["中", "文", "🙂", "'", ",", ".", "-", "7"]


def made_up_texts(count=300, seed=0):
    """list of str, of some 12 words each; frequent ones and rare ones, as in language."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(200)]
    weights = [1 / rank for rank in range(1, 201)]
    return [" ".join(draw.choices(words, weights, k=12)).title() for _ in range(count)]
