"""Can a Transformer learn to translate in an hour, on two cores, from nothing?

The network is that of 2017: an encoder reads a sentence, a decoder writes another, one
token after the other, and looks at what it has written and at all that was read.
It learns from pairs of sentences alone.

Run it with no argument, and it learns to write numbers out, from pairs that it makes up:

    python guides/translate.py

Or with two files, line by line each other's translations, which may be compressed:

    python guides/translate.py --source train.en.gz --target train.de.gz \
        --test-source test.en.gz --test-target test.de.gz

Learning a vocabulary needs one more package: `pip install keras-nlp-lite[tokenizers]`.
"""

import argparse
import pathlib
import random
import time

import keras

import keras_nlp_lite as knl
from keras_nlp_lite import tokenizers
from keras_nlp_lite.optimizers import AdamW, PlannedDecay

parser = argparse.ArgumentParser()
parser.add_argument(
    "--source", type=pathlib.Path, help="sentences to read, a line each"
)
parser.add_argument("--target", type=pathlib.Path, help="their translations")
parser.add_argument("--test-source", type=pathlib.Path)
parser.add_argument("--test-target", type=pathlib.Path)
parser.add_argument("--epochs", type=int, default=16)
parser.add_argument("--vocabulary-size", type=int, default=4_000)
parser.add_argument("--small", action="store_true", help="a try in seconds")
parser.add_argument("--work-dir", type=pathlib.Path, default="runs/translate")
options = parser.parse_args()
files = options.source, options.target, options.test_source, options.test_target
if any(files) and not all(files):
    parser.error("--source, --target, --test-source and --test-target go together.")

keras.utils.set_random_seed(1)  # the same results every time
began = time.monotonic()

"""
## Pairs

`read_parallel` gives a `tf.data.Dataset` of (sentences, translations), in a new order
each epoch.
"""

DIGITS = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
]


def made_up(count):
    """Pairs such as ("40 7", "vier null sieben")."""
    draw = random.Random(count)
    numbers = [
        " ".join(str(draw.randrange(1000)) for _ in range(draw.randint(1, 3)))
        for _ in range(count)
    ]
    words = [
        " ".join(DIGITS[int(digit)] for digit in number if digit != " ")
        for number in numbers
    ]
    return numbers, words


if options.source is None:
    size = 600 if options.small else 6_000
    pairs, held_out = made_up(size), made_up(100)
    texts = [*pairs[0], *pairs[1]]
    train = {"x": pairs[0], "y": pairs[1], "batch_size": 64}
    options.vocabulary_size = 300
else:
    train = {"x": knl.data.read_parallel(*files[:2], batch_size=128, seed=1)}
    texts = [str(file) for file in files[:2]]
    tests = knl.data.read_parallel(*files[2:], shuffle=False)
    batches = list(tests.as_numpy_iterator())
    held_out = tuple(
        [text.decode() for batch in batches for text in batch[side]] for side in (0, 1)
    )

"""
## One vocabulary for both languages

Byte pairs learned from both: names and loans are then the same tokens on both sides, and
one table of vectors serves to read, to write, and to score what comes next.
"""

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
vocabulary, merges = tokenizers.compute_byte_pair_vocabulary(
    texts, options.vocabulary_size, special_tokens=SPECIAL, add_prefix_space=True
)
tokenizer = tokenizers.RobertaTokenizer(vocabulary, merges, add_prefix_space=True)
preprocessor = knl.models.Seq2SeqLMPreprocessor(
    tokenizer, encoder_sequence_length=200, decoder_sequence_length=200
)

"""
## The network

Small, as the data are: a larger one learns them by heart. Half of what helps a small one
is hiding: `dropout`, and `label_smoothing`, which lets no answer be quite certain.
"""

backbone = knl.models.EncoderDecoderBackbone(
    vocabulary_size=tokenizer.vocabulary_size(),
    num_layers=1 if options.small else 4,
    num_heads=4,
    hidden_dim=64 if options.small else 128,
    intermediate_dim=128 if options.small else 256,
    dropout=0.0 if options.source is None else 0.2,
    normalize_first=True,
)
model = knl.models.Seq2SeqLM(backbone, preprocessor, label_smoothing=0.1)
optimizer = AdamW(PlannedDecay(3e-3, warmup=0.1), weight_decay=0.0, beta_2=0.98)
model.compile(optimizer, sampler="greedy")
print(f"{backbone.count_params():,} weights, {time.monotonic() - began:.0f} seconds.")

"""
## Training
"""

model.fit(**train, epochs=2 if options.small else options.epochs, verbose=2)
print(f"Trained after {(time.monotonic() - began) / 60:.1f} minutes.")

"""
## Translating

**Greedy** takes the likeliest token each time. A **beam search** keeps several
beginnings, and finds sentences that are likelier as a whole.
"""

sources, references = held_out
for sampler in ("greedy", knl.samplers.BeamSampler(4, length_penalty=1.0)):
    start = time.monotonic()
    translations = model.generate(sources, sampler=sampler, batch_size=100)
    bleu = knl.metrics.Bleu(tokenize="13a", smooth_method="exp")
    bleu.update_state(references, translations)
    name = sampler if isinstance(sampler, str) else "beam search"
    print(
        f"{name}: BLEU {100 * float(bleu.result()):.1f} on {len(sources):,} sentences, "
        f"{time.monotonic() - start:.0f} seconds."
    )
for source, translation, reference in list(zip(sources, translations, references))[:5]:
    print(f"  {source}\n    {translation}\n    ({reference})")

"""
## Keeping

A preset holds weights, vocabulary and settings; an export turns strings into strings.
"""

model.save_to_preset(options.work_dir / "preset")
again = knl.models.Seq2SeqLM.from_preset(options.work_dir / "preset")
greedy = {"sampler": "greedy"}
assert again.generate(sources[0], **greedy) == model.generate(sources[0], **greedy)
print(f"Kept in {options.work_dir / 'preset'}.")
