"""Which pieces should a model read: whose vocabulary, and how large?

A model reads numbers, and a **tokenizer** decides what they stand for. One that was
trained on other text cuts yours into crumbs: more tokens a text, so more time and
memory, and less of a long text in sight. One of your own is learned from texts in
seconds to minutes, and nobody has to label anything. This guide trains one, looks at
what it does, asks how large it should be, and puts it to use.

Run it with no argument, and it reads the guides' own words, which are few:

    python guides/train_a_tokenizer.py

Or a corpus of yours, a text a line; it may be compressed:

    python guides/train_a_tokenizer.py --corpus reviews.txt.gz

Training needs two more packages: `pip install keras-nlp-lite[tokenizers]`.
"""

import argparse
import pathlib

import keras
import tokenizers as hugging_face  # which has learned the vocabulary
from rich.console import Console
from rich.table import Table

import keras_nlp_lite as knl
from keras_nlp_lite import tokenizers

parser = argparse.ArgumentParser()
parser.add_argument("--corpus", type=pathlib.Path, help="a text a line, maybe .gz")
parser.add_argument(
    "--small", action="store_true", help="a try in seconds, of small vocabularies"
)
parser.add_argument("--work-dir", type=pathlib.Path, default="runs/train_a_tokenizer")
options = parser.parse_args()

keras.utils.set_random_seed(1)  # the same results every time

"""
## The texts

Training takes a list of files, a `tf.data.Dataset` of strings, or any Python iterable of
texts. Here it is an iterable. Every tenth text is kept aside: what a tokenizer costs
shows on texts that it was not trained on.
"""


def lines(path):
    """The lines of a file, compressed or not, that are not blank."""
    texts = knl.data.read_lines(path).unbatch().as_numpy_iterator()
    return [text.decode() for text in texts if text.strip()]


if options.corpus is None:
    corpus = [
        line
        for path in sorted(pathlib.Path(__file__).parent.glob("*.py"))
        for line in lines(path)
    ]
else:
    corpus = lines(options.corpus)
held_out = corpus[::10]
texts = [text for i, text in enumerate(corpus) if i % 10]
print(f"{len(texts):,} texts to learn from, {len(held_out):,} to try it on.")

"""
## Training

Byte pairs start from the 256 bytes and join, over and over, the two neighbours that
stand side by side most often. Since every text is made of bytes, no text is unknown.
The special tokens come first; these are RoBERTa's.
"""

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def byte_pairs(size):
    """A tokenizer of so many tokens."""
    vocabulary, merges = tokenizers.compute_byte_pair_vocabulary(
        texts, size, special_tokens=SPECIAL
    )
    return tokenizers.RobertaTokenizer(vocabulary, merges)


tokenizer = byte_pairs(600 if options.small else 2_000)

"""
## A look at it

`tokenize_with_offsets` says where in the text, in bytes, each token stands. What is
frequent is one token, what is rare falls into several.
"""

text = "The tokenizer reads a word that nobody wrote: zyxomma."
ids, starts, ends = tokenizer.tokenize_with_offsets(text)
for id, start, end in zip(ids.numpy(), starts.numpy(), ends.numpy()):
    piece = text.encode()[start:end].decode("utf-8", "replace")
    print(f"{id:>6}  bytes {start:>2} to {end:>2}  {piece!r}")
assert tokenizer.detokenize(ids).numpy().decode() == text  # nothing is lost

"""
## How large should it be?

A larger vocabulary needs fewer tokens for a text, but each token is a row of the model's
embeddings, and the rare ones are seldom seen in training. So look at what a word costs,
and stop where it hardly falls any more. WordPiece, BERT's kind, stands beside: it cuts
at punctuation, and has an unknown token.
"""


def cost(tokenizer):
    """Tokens a word, on texts that it was not trained on."""
    tokens = tokenizer(held_out).flat_values.shape[0]
    return tokens / sum(len(text.split()) for text in held_out)


def word_pieces(size):
    """A tokenizer of so many tokens."""
    vocabulary = tokenizers.compute_word_piece_vocabulary(texts, size)
    return tokenizers.BertTokenizer(vocabulary)


sizes = [400, 600] if options.small else [500, 1_000, 2_000, 4_000]
if options.corpus is not None and not options.small:
    sizes += [8_000, 16_000, 32_000]

table = Table(
    "tokens wanted", "byte pairs", "tokens a word", "word pieces", "tokens a word"
)
for size in sizes:
    row = [f"{size:,}"]
    for trained in (byte_pairs(size), word_pieces(size)):
        row += [f"{trained.vocabulary_size():,}", f"{cost(trained):.2f}"]
    table.add_row(*row)
Console(width=90).print(table)

"""
On six megabytes of film reviews, the first of IMDb's unlabelled ones, a word costs 2.1 tokens at 1,000 byte pairs, 1.6 at
4,000, 1.3 at 16,000 and still 1.25 at 32,000: twice the embeddings for a twentieth of
the tokens. Where a vocabulary is smaller than was wanted, no pair was left that occurs
twice: the corpus is too small for more.

## Saving it, and reading it elsewhere

`save_tokenizer` writes the files that other programs know, `tokenizer.json` among them,
which Hugging Face's library loads; `load_tokenizer` finds out what lies in a folder.
"""

folder = options.work_dir / "tokenizer"
tokenizers.save_tokenizer(tokenizer, folder)
print(folder, "holds", ", ".join(sorted(path.name for path in folder.iterdir())))
again = tokenizers.load_tokenizer(folder)
assert again(text).numpy().tolist() == ids.numpy().tolist()

other = hugging_face.Tokenizer.from_file(str(folder / "tokenizer.json"))
same = other.encode(text, add_special_tokens=False).ids == ids.numpy().tolist()
print("Hugging Face gives", "the same ids." if same else "other ids!")

"""
## In a model

A preprocessor takes the tokenizer, a backbone the number of its tokens, and a task puts
them together: strings in, answers out. This one hides tokens from itself and learns to
guess them, for which it needs text alone. On so little text it learns next to nothing;
"Does it help a tagger to have read?", another guide, goes on from here.
"""

lm = knl.models.MaskedLM(
    knl.models.RobertaBackbone(tokenizer.vocabulary_size(), **knl.models.sizes["tiny"]),
    knl.models.MaskedLMPreprocessor(tokenizer, sequence_length=32, seed=1),
)
lm.compile(keras.optimizers.Adam(1e-3))
lm.fit(texts[: 64 if options.small else 2_000], batch_size=32, verbose=2)
for guess in lm.fill_mask("The tokenizer<mask> a word."):
    print(f"{guess.score:.3f}  {guess.sequence}")

"""
What to conclude:

- **Train on text like yours, and try it on text that was kept aside.** A vocabulary costs
  seconds; a model that reads more tokens than it needs costs more on every day.
- **Let the cost per word decide the size**, not a round number out of a paper.
- **A model goes with its tokenizer.** Who starts from a pretrained model keeps the one
  that it was trained with, whatever it costs.
"""
