"""Writes character_classes.h: which characters are letters, numbers and white space.

    python custom_ops/kernels/make_character_classes.py

The classes are those that the tokenizer in plain TensorFlow goes by.
"""

import itertools
import pathlib

import numpy as np

HEADER = pathlib.Path(__file__).with_name("character_classes.h")
KINDS = {1: "kLetter", 2: "kNumber", 3: "kSpace"}


def header():
    """str: the whole file."""
    from keras_nlp_lite.tokenizers.byte_pair_splitting import character_classes

    kinds = character_classes() & 7
    starts = [0, *(np.flatnonzero(np.diff(kinds)) + 1), len(kinds)]
    ranges = [
        f"{{0x{first:x}, 0x{end - 1:x}, {KINDS[kinds[first]]}}}"
        for first, end in itertools.pairwise(starts)
        if kinds[first] in KINDS
    ]
    lines = [", ".join(ranges[i : i + 3]) for i in range(0, len(ranges), 3)]
    body = ",\n    ".join(lines)
    return f"""\
// Made by make_character_classes.py: Unicode's letters, numbers and white space.
#pragma once

#include <cstdint>

#include "byte_pair_words.h"

namespace knl {{

struct CharacterRange {{
  uint32_t first, last;
  CharacterClass kind;
}};

constexpr auto kLetter = CharacterClass::kLetter;
constexpr auto kNumber = CharacterClass::kNumber;
constexpr auto kSpace = CharacterClass::kSpace;

// Rising. What is in none is something else.
constexpr CharacterRange kCharacterRanges[] = {{
    {body}}};

}}  // namespace knl
"""


if __name__ == "__main__":
    HEADER.write_text(header())
