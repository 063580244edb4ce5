"""The scores of sacrebleu, rouge-score and KerasHub, on texts made up here.

Runs where they are installed: pip install -e ".[test,peers]".
"""

import inspect
import itertools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import metrics

# As translations have them: signs, numbers, entities, spaces and scripts of all kinds.
_TEXT = (
    "the a man dog dogs runs running walks sleeps bench on in with and Ein Mädchen "
    "spielt, Gitarre. Zwei Hunde! 1,000 3.5 5. ,5 .5 5-6 snow-covered - -- don't "
    '"so" (here) [x] a/b $5 50% &amp; &quot;hm&quot; <skipped> … „Ja“ 猫が好き été x'
)
PIECES = _TEXT.split()


def corpus(seed, rows=60, references=1):
    """Translations and their references: changed here and there, some empty."""
    rng = random.Random(seed)

    def changed(words):
        kept = [word for word in words if rng.random() > 0.2]
        return [w if rng.random() > 0.1 else rng.choice(PIECES) for w in kept]

    originals = [rng.choices(PIECES, k=rng.randint(0, 25)) for _ in range(rows)]
    spaces = [" ", "  ", "\u3000", "\t"]
    translations = [rng.choice(spaces).join(changed(words)) for words in originals]
    several = [
        [" ".join(changed(words)) for _ in range(references)] for words in originals
    ]
    return translations, several


@pytest.mark.parametrize("tokenize", ["13a", "char", "none"])
@pytest.mark.parametrize("references", [1, 3])
def test_bleu_is_that_of_sacrebleu(tokenize, references):
    sacrebleu = pytest.importorskip("sacrebleu")
    for seed, smooth_method, effective_order in itertools.product(
        range(2), [None, "exp", "floor", "add-k"], [False, True]
    ):
        rows = 3 if seed else 60  # so few that some order has no match
        translations, several = corpus(seed, rows, references)
        ours = metrics.Bleu(
            tokenize=tokenize,
            smooth_method=smooth_method,
            effective_order=effective_order,
            dtype="float64",
        )
        theirs = sacrebleu.corpus_bleu(
            translations,
            [*zip(*several)],
            smooth_method=smooth_method or "none",
            tokenize=tokenize,
            use_effective_order=effective_order,
            force=True,
        ).score
        score = float(ours(several, translations))
        assert score == pytest.approx(theirs / 100, rel=0, abs=1e-9)


@pytest.mark.parametrize("use_stemmer", [False, True])
def test_rouge_is_that_of_rouge_score(use_stemmer):
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    kinds = {"rougeL": metrics.RougeL, "rouge1": metrics.RougeN}
    scorer = rouge_scorer.RougeScorer([*kinds], use_stemmer)
    translations, several = corpus(seed=0)
    references = [row[0] for row in several]
    theirs = [scorer.score(*pair) for pair in zip(references, translations)]
    for kind, make in kinds.items():
        order = {"order": 1} if kind == "rouge1" else {}
        ours = make(use_stemmer=use_stemmer, dtype="float64", **order)
        scores = ours(references, translations)
        for name, field in [
            ("precision", "precision"),
            ("recall", "recall"),
            ("f1_score", "fmeasure"),
        ]:
            mean = np.mean([getattr(each[kind], field) for each in theirs])
            assert float(scores[name]) == pytest.approx(mean, rel=1e-12)


# How each metric is made, of which class.
KINDS = [
    ("Bleu", {}),
    ("Bleu", {"smooth": True, "max_order": 3}),
    ("Bleu", {"tokenizer": tf.strings.split}),
    ("RougeL", {}),
    ("RougeL", {"use_stemmer": True}),
    ("RougeN", {}),
    ("RougeN", {"order": 3}),
    ("EditDistance", {}),
    ("EditDistance", {"normalize": False}),
    ("Perplexity", {}),
    ("Perplexity", {"from_logits": True, "mask_token_id": 3}),
]


@pytest.mark.parametrize(("name", "arguments"), KINDS)
def test_metrics_are_those_of_keras_hub(name, arguments):
    keras_hub = pytest.importorskip("keras_hub")
    ours = getattr(metrics, name)(**arguments)
    theirs = getattr(keras_hub.metrics, name)(**arguments)
    for seed in range(2):
        for data in batches(name, seed):
            ours.update_state(*data)
            theirs.update_state(*data)
        mine, wanted = ours.result(), theirs.result()
        assert type(mine) is dict or not isinstance(wanted, dict)
        keras.tree.map_structure(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), mine, wanted
        )
        if seed == 0:
            ours.reset_state()
            theirs.reset_state()


def batches(name, seed):
    """Two batches of what a metric takes."""
    if name == "Perplexity":
        rng = np.random.default_rng(seed)
        for rows in (3, 2):
            ids = rng.integers(0, 7, (rows, 5))
            yield ids, rng.dirichlet(np.ones(7), (rows, 5)), rng.random((rows, 5))
        return
    translations, several = corpus(seed, rows=12, references=2)
    one_each = [row[0] for row in several]
    for part in (slice(0, 5), slice(5, 12)):
        if name == "Bleu":
            yield several[part], translations[part]
        elif name == "EditDistance":
            yield tuple(map(tf.strings.split, (one_each[part], translations[part])))
        else:
            yield one_each[part], translations[part]


@pytest.mark.parametrize("name", metrics.__all__)
def test_signatures_begin_with_those_of_keras_hub(name):
    keras_hub = pytest.importorskip("keras_hub")
    ours, theirs = (
        list(inspect.signature(getattr(room, name)).parameters.values())
        for room in (metrics, keras_hub.metrics)
    )
    shared = [p for p in theirs if p.kind is not p.VAR_KEYWORD]
    assert [str(p) for p in ours[: len(shared)]] == [str(p) for p in shared]
    assert all(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in ours[len(shared) :])
