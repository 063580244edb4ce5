"""Does a film review praise or blame? Four classifiers, one idea apart.

A text classifier is two choices. The **representation** says how a text becomes
numbers: as a bag of the words in it, or as their sequence. The **architecture** says
what is made of these numbers. This guide starts with the least of both and then, four
times, has an idea, tries it and looks at the result. Each experiment changes one
argument, or the name of one class; everything else in the script stays.

Run it with no argument, and it trains on reviews that a small grammar makes up:

    python guides/first_classifier.py

Or on 50,000 real ones, the Large Movie Review Dataset, from a folder that holds
`imdb.tar.gz`, or `aclImdb` if it is unpacked already:

    python guides/first_classifier.py --data-dir ~/data
"""

import argparse
import pathlib
import statistics
import tarfile
import time

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import keras_nlp_lite as knl

parser = argparse.ArgumentParser()
parser.add_argument(
    "--data-dir", type=pathlib.Path, help="holds imdb.tar.gz or aclImdb"
)
parser.add_argument("--epochs", type=int, help="of every model, instead of its own")
parser.add_argument(
    "--small", action="store_true", help="a try in seconds, badly trained"
)
parser.add_argument("--work-dir", type=pathlib.Path, default="runs/first_classifier")
options = parser.parse_args()

keras.utils.set_random_seed(1)  # the same results every time

"""
## The data

A folder for each class, a file for each review. Of the training reviews a fifth is
held out, to compare ideas on while there are still ideas to have; the test reviews are
for the table at the end.
"""


def find_reviews():
    """The folder that holds `train` and `test`, unpacked or made up where needed."""
    data_dir, work_dir = options.data_dir, options.work_dir
    if data_dir is None:
        examples = 200 if options.small else 2000
        return knl.data.write_sample_reviews(
            work_dir / f"reviews_{examples}", examples=examples
        )
    if (data_dir / "aclImdb").is_dir():
        return data_dir / "aclImdb"
    if (data_dir / "train").is_dir():
        return data_dir
    if not (data_dir / "imdb.tar.gz").is_file():
        parser.error(f"{data_dir} holds neither imdb.tar.gz nor a folder aclImdb.")
    if not (work_dir / "aclImdb").is_dir():
        print("Unpacking", data_dir / "imdb.tar.gz", "to", work_dir)
        unpacking = work_dir / "unpacking"  # if interrupted, nobody mistakes it for all
        with tarfile.open(data_dir / "imdb.tar.gz") as archive:
            archive.extractall(unpacking, filter="data")
        (unpacking / "aclImdb").rename(work_dir / "aclImdb")
    return work_dir / "aclImdb"


reviews = pathlib.Path(find_reviews())
made_up = options.data_dir is None

# The made-up reviews are few: larger steps spare them dozens of epochs.
batch_size, learning_rate = (64, 1e-2) if made_up else (32, 1e-3)

train, validation = knl.data.read_directory(
    reviews / "train",
    # The original data set has a folder of reviews without labels beside these two.
    class_names=["neg", "pos"],
    validation_split=0.2,
    batch_size=batch_size,
    seed=1,
)
test = knl.data.read_directory(reviews / "test", batch_size=batch_size, shuffle=False)

"""
Before any model: how much is there, and how long is it? A rule of thumb from Google's
guide to text classification divides the number of training texts by the median number
of words in one. Below about 1,500, it says, try n-grams first: there are too few texts
to learn from the order of so many words.
"""

words = [len(text.split()) for texts, _ in train.as_numpy_iterator() for text in texts]
print(
    f"{len(words):,} texts to train on, of {statistics.median(words):.0f} words in the "
    f"median: {len(words) / statistics.median(words):.0f} texts per word."
)

"""
## An experiment

It is the same every time. `adapt` reads the training texts once, for the vocabulary;
`compile` chooses the loss that suits the number of classes; `fit` turns text into
numbers on the way, and leaves what TensorBoard shows: curves, a confusion matrix, and
reviews that the model got wrong.
"""

test_texts = [text for texts, _ in test.take(40) for text in texts.numpy()]
rows = []


def experiment(name, model, epochs=5):
    """Trains a model, notes a row of the table, and returns the model."""
    start = time.perf_counter()
    model.adapt(train)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate))
    model.fit(
        train,
        validation_data=validation,
        epochs=options.epochs or (1 if options.small else epochs),
        callbacks=[knl.monitoring.TensorBoard(options.work_dir / name)],
        verbose=2,
    )
    seconds = time.perf_counter() - start
    accuracy = model.evaluate(test, return_dict=True, verbose=0)["accuracy"]

    model.predict(test_texts[:1], verbose=0)  # the first call also builds the graph
    start = time.perf_counter()
    model.predict(test_texts, batch_size=256, verbose=0)
    pace = len(test_texts) / (time.perf_counter() - start)

    print(f"{name}: {accuracy:.4f} of the test reviews right\n")
    rows.append((name, accuracy, model.count_params(), seconds, pace))
    return model


"""
## 1. Which words are there?

The least that could work: note which of the 10,000 most frequent words a review holds,
how often or where does not matter, and give each word a weight. That is logistic
regression. "Wonderful" will weigh for praise and "dull" against it.
"""

experiment(
    "unigram", knl.models.BagOfNgramsClassifier(num_classes=2, max_tokens=10_000)
)

"""
On the real reviews this gives about 0.89: most of what there is to get, for 10,001
numbers. What it cannot see is a "not" in front of a "good". To it, "not good, just
dull" and "not dull, just good" are the same review.

## 2. Which pairs of words are there?

So let it see pairs. `ngrams=2` adds each two neighbours as a feature of their own, and
there being more features, room for more of them.
"""

bigram = experiment(
    "bigram",
    knl.models.BagOfNgramsClassifier(num_classes=2, max_tokens=20_000, ngrams=2),
)

"""
On the real reviews, about 0.90; on the made-up ones, which deny a lot, far more than
before. Pairs carry negation ("not good", "hardly any") and degree ("too long", "very
well"). The model is still one weight for each feature: we gave it no more to think
with, only more to look at.

## 3. What do words have in common?

To both models so far, "superb" and "excellent" are as different as any two words. Give
each word a vector of 32 numbers instead, learned along with everything else, and let a
review be the mean of its words' vectors. Words that do the same may then come to lie
side by side. Another class, and nothing else.
"""

length = {"sequence_length": 80 if made_up else 250}  # in words; what follows is cut

experiment(
    "averaged_embedding",
    knl.models.AveragedEmbeddingClassifier(num_classes=2, max_tokens=10_000, **length),
)

"""
Thirty times the parameters of the first model, and on the real reviews slightly less
accuracy, about 0.87. It reads the first 250 words only; a mean forgets the order just
as a bag does; and 20,000 reviews are not many to learn 10,000 vectors from.

## 4. Does it help to read in order?

Put an LSTM in the place of the mean: it reads the vectors one after the other, from
both ends, and remembers what it chooses. It is the first of the four that could learn
what "not" does, whatever the word that follows. Another class again.
"""

experiment(
    "lstm",
    knl.models.RecurrentClassifier(num_classes=2, max_tokens=10_000, **length),
    epochs=6 if made_up else 3,
)

"""
On the real reviews 0.84 to 0.86, differing from seed to seed, for by far the longest wait:
it can learn what "not" does, but 20,000 labels do not tell it enough about language to
pay for that. The made-up reviews have a vocabulary of a few hundred words and few ways
to say no, and there it finds the rule.

## The four side by side
"""

table = Table()
for column in (
    "",
    "test accuracy",
    "parameters",
    "seconds to train",
    "texts per second",
):
    table.add_column(column, justify="right" if column else "left")
for name, accuracy, parameters, seconds, pace in rows:
    table.add_row(
        name, f"{accuracy:.4f}", f"{parameters:,}", f"{seconds:.1f}", f"{pace:,.0f}"
    )
Console(width=90).print(table)
print(f"All curves in one picture: tensorboard --logdir {options.work_dir}")

"""
What to conclude:

- **The linear bag of bigrams is the baseline to beat.** It is the most accurate of the
  four on the real reviews, among the quickest to train and to ask, and every weight in
  it can be read. Whoever shows a larger model should show this one beside it.
- **What a model is shown comes before what it is made of.** Going from words to pairs
  brought more than going from weights to vectors to an LSTM.
- **Texts and words per text say where to start.** Real reviews make about a hundred
  training texts per word in the median, far below 1,500. With many more texts, or
  shorter ones such as questions and headlines, try models of sequences earlier.
- **Vectors and LSTMs need more text than labels.** Their way up is to learn language
  where no label is needed, and to start from there: a pretrained encoder.

## What to look at next

Not at a larger model: at the errors. Here are the validation reviews that the bigrams
get most confidently wrong. Is there irony, a plot retold, a verdict in the last
sentence, praise for another film? Is a label wrong? Each answer is an idea for the next
experiment. (TensorBoard shows the same after each epoch, under "Text".)
"""

texts, labels = [], []
for batch, batch_labels in validation.as_numpy_iterator():
    texts.extend(batch)
    labels.extend(batch_labels)
probabilities = bigram.predict(texts, batch_size=256, verbose=0)  # [N, 2]
of_the_label = probabilities[np.arange(len(labels)), labels]
for i in of_the_label.argsort()[:3]:
    if of_the_label[i] < 0.5:
        label, excerpt = bigram.class_names[labels[i]], texts[i].decode()[:300]
        print(f"\n{label}, said to be so with {of_the_label[i]:.2f}: {excerpt} ...")
