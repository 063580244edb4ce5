"""How should a language model choose its words? One model, every way, an argument at a time.

A language model gives each token a probability to come next. How to choose from that is
another question: always the likeliest, or by lot, and out of how many? This guide asks
one model in all the ways there are.

Run it with no argument, and it first trains a small model on reviews that it makes up:

    python guides/generate_text.py

On texts of yours, a text a line, which may be compressed:

    python guides/generate_text.py --corpus reviews.txt.gz --minutes 30

Or with a pretrained model, a folder as Hugging Face has it, such as GPT-2's:

    python guides/generate_text.py --preset path/to/gpt2 --prompt "I enjoy walking with"

Learning a vocabulary needs one more package: `pip install keras-nlp-lite[tokenizers]`.
"""

import argparse
import pathlib
import time

import keras

import keras_nlp_lite as knl
from keras_nlp_lite import tokenizers
from keras_nlp_lite.data.sample_reviews import write_sample_reviews

parser = argparse.ArgumentParser()
parser.add_argument("--preset", help="a pretrained language model's folder")
parser.add_argument("--corpus", type=pathlib.Path, help="a text a line, maybe .gz")
parser.add_argument("--minutes", type=float, default=1.0, help="of training")
parser.add_argument("--vocabulary-size", type=int, default=8_000)
parser.add_argument("--prompt", default="The film")
parser.add_argument("--small", action="store_true", help="a try in seconds")
parser.add_argument("--work-dir", type=pathlib.Path, default="runs/generate_text")
options = parser.parse_args()

keras.utils.set_random_seed(1)  # the same results every time
LENGTH = 24 if options.small else 60


"""
## A model

`fit` sets several texts in a row, so that little of it is padding; they do not see one
another. `perplexity` says how many equally likely tokens the model wavers between, and
`bits_per_byte` the same in a unit that does not depend on the tokens: so models with
different vocabularies can be compared.
"""


class Stop(keras.callbacks.Callback):
    """Ends training after some minutes."""

    def on_train_begin(self, logs=None):
        self.end = time.monotonic() + 60 * options.minutes

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = time.monotonic() > self.end


def lines(path):
    """The texts of a file, a line each."""
    texts = knl.data.read_lines(path).unbatch().as_numpy_iterator()
    return [text.decode() for text in texts if text.strip()]


def trained():
    """A model that has read the corpus."""
    if options.corpus is None:
        folder = options.work_dir / "reviews"
        write_sample_reviews(folder, examples=200 if options.small else 2_000)
        files = sorted((folder / "train").glob("*/*.txt"))
        corpus = [file.read_text() for file in files]
    else:
        corpus = lines(options.corpus)
    held_out, texts = corpus[::100], [t for i, t in enumerate(corpus) if i % 100]
    vocabulary, merges = tokenizers.compute_byte_pair_vocabulary(
        texts, options.vocabulary_size, special_tokens=["<|endoftext|>"]
    )
    tokenizer = tokenizers.GPT2Tokenizer(vocabulary, merges)
    size = knl.models.sizes["tiny" if options.corpus is None else "mini"]
    backbone = knl.models.GPT2Backbone(
        tokenizer.vocabulary_size(), **size, max_sequence_length=256, dropout=0.0
    )
    model = knl.models.CausalLM(
        backbone, knl.models.CausalLMPreprocessor(tokenizer, sequence_length=256)
    )
    # The rate stays: nobody knows how many steps there is time for.
    model.compile(knl.optimizers.AdamW(1e-3))
    model.fit(
        texts,
        batch_size=32,
        epochs=1 if options.small else 100,
        callbacks=[Stop()],
        verbose=2,
    )
    said = model.perplexity(held_out, return_dict=True)
    print(
        f"On {len(held_out)} texts that it has not seen: perplexity "
        f"{said['perplexity']:.1f} a token, {said['bits_per_byte']:.2f} bits a byte."
    )
    return model


if options.preset:
    model = knl.models.CausalLM.from_preset(options.preset)
else:
    model = trained()


def show(name, sampler, **arguments):
    """Prints how a sampler goes on with the prompt."""
    texts = model.generate(
        options.prompt, max_length=LENGTH, sampler=sampler, **arguments
    )
    for text in [texts] if isinstance(texts, str) else texts:
        print(f"{name:>24}: {text!r}")


"""
## The likeliest

**Greedy** search takes the likeliest token each time. It soon goes in circles, and it
misses sentences whose second word is much likelier than their first. **Beam search** keeps
several beginnings. A run of tokens may be forbidden to come twice, and the ends of several
beams may be looked at.
"""

samplers = knl.samplers
show("greedy", "greedy")
show("5 beams", samplers.BeamSampler(5))
show("no two words twice", samplers.BeamSampler(5, no_repeat_ngram_size=2))
show("three of five", samplers.BeamSampler(5, num_return_sequences=3))
show("repetition costs", samplers.GreedySampler(repetition_penalty=1.3))

"""
## By lot

Drawn as they are, tokens make odd texts: each is unlikely for itself, and together they
are not. A lower **temperature** makes the likely likelier. **Top-k** draws from the k
likeliest; **top-p** from the fewest that hold a share p of all probability, so few where
the model is sure, and many where it is not. The two go together. **Min-p** keeps what is at
least so likely as a share of the likeliest, and **typical** what surprises about as much
as the model expects to be surprised.
"""

show("as they are", samplers.RandomSampler(seed=1))
show("temperature 0.6", samplers.RandomSampler(temperature=0.6, seed=1))
show("top 50", samplers.TopKSampler(k=50, seed=1))
show("top 92 %", samplers.TopPSampler(p=0.92, seed=1))
show("both", samplers.TopPSampler(p=0.92, k=50, seed=1))
show("three times", samplers.TopPSampler(0.92, k=50, seed=1, num_return_sequences=3))
show("min-p 5 %", samplers.MinPSampler(0.05, seed=1))
show("typical", samplers.TypicalSampler(0.9, seed=1))

"""
## Likely, but not the same again

**Contrastive search** takes, of the k likeliest, the one that is likely and at the same
time says something other than what was said.
"""

show("contrastive", samplers.ContrastiveSampler(k=4, alpha=0.6))

"""
## As it comes

`stream` gives pieces of text as they are written.
"""

print("As it comes:", options.prompt, end="", flush=True)
sampler = samplers.TopPSampler(p=0.92, k=50, seed=2)
for piece in model.stream(options.prompt, max_length=LENGTH, sampler=sampler):
    print(piece, end="", flush=True)
print()

"""
## Keeping

A preset holds weights, vocabulary and settings. An export is one graph from strings to
strings, which loads in any TensorFlow; what `compile` was told to sample by is inside.
"""

model.compile(sampler=samplers.TopPSampler(p=0.92, k=50, seed=3))
model.export(options.work_dir / "served")
model.save_to_preset(options.work_dir / "preset")
again = knl.models.CausalLM.from_preset(options.work_dir / "preset")
greedy = {"max_length": LENGTH, "sampler": "greedy"}
assert again.generate(options.prompt, **greedy) == model.generate(
    options.prompt, **greedy
)
print(
    f"Kept in {options.work_dir / 'preset'}; {options.work_dir / 'served'} serves it."
)
