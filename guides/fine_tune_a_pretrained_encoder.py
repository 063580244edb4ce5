"""Does a film review praise or blame? Ask an encoder that knows the language already.

The guide `first_classifier.py` ends on a wish: word vectors and LSTMs learn language
from labels, of which there are few. An encoder that was trained on text without labels
has learned it before. What is left to learn is the question, and five steps do:

1. load the data,
2. load the encoder and the preprocessing that belongs to it,
3. put a classifier on top,
4. train all of it, gently, and stop in time,
5. look, measure, and hand it on.

Run it with a folder that holds an encoder: one as Hugging Face lays them out
(`config.json`, `model.safetensors` and the tokenizer's files), or one that
`save_to_preset` wrote.

    python guides/fine_tune_a_pretrained_encoder.py --preset ~/models/bert-tiny

`--data-dir` names a folder with 50,000 real reviews, `imdb.tar.gz` or `aclImdb`.
Without it the reviews are made up by a small grammar, and without `--preset` the
encoder is a small one with random weights: enough to see the steps, and to see how far
one gets without knowing the language.
"""

import argparse
import collections
import pathlib
import re
import tarfile

import keras
import tensorflow as tf

import keras_nlp_lite as knl
from keras_nlp_lite.optimizers import AdamW, PlannedDecay
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("--preset", type=pathlib.Path, help="a folder with an encoder")
parser.add_argument(
    "--data-dir", type=pathlib.Path, help="holds imdb.tar.gz or aclImdb"
)
parser.add_argument("--epochs", type=int, help="at most")
parser.add_argument(
    "--small", action="store_true", help="a try in a minute, badly trained"
)
parser.add_argument(
    "--work-dir", type=pathlib.Path, default="runs/fine_tune_a_pretrained_encoder"
)
options = parser.parse_args()

keras.utils.set_random_seed(1)  # the same results every time

"""
## 1. The data

A folder for each class, a file for each review. A fifth of the training reviews is held
out: it decides when to stop, so that the test reviews need not.
"""


def find_reviews():
    """The folder that holds `train` and `test`, unpacked or made up where needed."""
    data_dir, work_dir = options.data_dir, options.work_dir
    if data_dir is None:
        examples = 100 if options.small else 2000
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
train, validation = knl.data.read_directory(
    reviews / "train",
    class_names=["neg", "pos"],
    validation_split=0.2,
    batch_size=16,
    seed=1,
)
test = knl.data.read_directory(reviews / "test", batch_size=16, shuffle=False)

"""
## 2. The encoder, and what belongs to it

A preset is a folder. The encoder's weights are worth something with its own vocabulary
alone, and with the special tokens that it was trained with, so that both come out of
the same folder. What may be chosen is the length: attention takes time, and a verdict
is rarely found at the 400th token only. Longer reviews are cut.
"""


def a_small_encoder():
    """Writes a preset with random weights, whose words are those of the reviews."""
    counts = collections.Counter()
    for texts, _ in train.as_numpy_iterator():
        for text in texts:
            counts.update(re.findall(r"\w+|[^\w\s]", text.decode().lower()))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = sorted({letter for word in counts for letter in word})
    pieces = [*letters, *(f"##{letter}" for letter in letters)]  # of any other word
    words = [word for word, _ in counts.most_common(2000) if word not in pieces]
    tokenizer = BertTokenizer([*special, *pieces, *words], lowercase=True)
    backbone = knl.models.BertBackbone(
        tokenizer.vocabulary_size(), **knl.models.sizes["tiny"]
    )
    preprocessor = knl.models.TextEmbedderPreprocessor(tokenizer)
    folder = options.work_dir / "small_encoder"
    knl.models.TextEmbedder(backbone, preprocessor).save_to_preset(folder)
    return folder


preset = options.preset or a_small_encoder()
backbone = knl.models.Backbone.from_preset(preset)
preprocessor = knl.models.TextClassifierPreprocessor.from_preset(
    preset, sequence_length=64 if options.small else 256
)
print(f"{backbone.name}: {backbone.count_params():,} weights")
print(preprocessor(["Not a dull minute."])["token_ids"][0, :12].numpy())

"""
## 3. A classifier on top

Dropout and one dense layer on the encoder's vector of the first token. Everything else
is there already. (For the three lines above and this one there is a shorter way:
`TextClassifier.from_preset(preset, num_classes=2)`.)
"""

model = knl.models.TextClassifier(backbone, num_classes=2, preprocessor=preprocessor)

"""
## 4. Training, gently

The new layer has random weights, and its first gradients would shake what the encoder
knows. So the learning rate is a twentieth of what is usual, rises during the first
steps, and falls to nothing by the last: that is what `compile()` chooses for this task,
and `fit` tells it how many steps there will be. A random encoder has nothing to lose,
and takes larger steps.

A few epochs are all it takes. The model soon knows its training reviews by heart, so
`EarlyStopping` watches the reviews that were held out, and keeps the best weights.
"""

if options.preset:
    model.compile()
else:
    model.compile(AdamW(PlannedDecay(1e-3), weight_decay=0.01))
history = model.fit(
    train,
    validation_data=validation,
    epochs=options.epochs or (2 if options.small else 3 if options.preset else 8),
    callbacks=[
        keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=2, restore_best_weights=True
        )
    ],
    verbose=2,
).history

"""
## 5. Look, measure, hand on

First at the gap. Where training accuracy climbs and validation accuracy does not, the
model learns texts by heart: more data, more dropout, fewer epochs or a frozen encoder
(`model.backbone.trainable = False`, then `compile` again) would help. Where both are
low, it has not learned enough: more epochs, a larger rate, a larger encoder.
"""

best = min(range(len(history["val_loss"])), key=history["val_loss"].__getitem__)
seen, unseen = history["accuracy"][best], history["val_accuracy"][best]
print(
    f"Best after epoch {best + 1}: {seen:.3f} of the training reviews right while it "
    f"learned them, {unseen:.3f} of those held out, a gap of {seen - unseen:+.3f}."
)

scores = model.evaluate(test, return_dict=True, verbose=0)
print(f"{scores['accuracy']:.4f} of the test reviews right")

"""
The export is one graph from strings to probabilities. It needs TensorFlow, and for
BERT's word pieces `import tensorflow_text`, and nothing of this package.
"""

asked = ["A joy from start to end.", "Not a single good idea, and far too long."]
model.save(options.work_dir / "classifier.keras")
model.export(options.work_dir / "served")
served = tf.saved_model.load(options.work_dir / "served")
for text, probabilities in zip(asked, served.serve(tf.constant(asked)).numpy()):
    print(f"{probabilities[1]:.2f} that this is praise: {text}")
