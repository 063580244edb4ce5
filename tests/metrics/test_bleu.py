import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.metrics import Bleu
from keras_nlp_lite.metrics.bleu_words import words_13a
from keras_nlp_lite.tokenizers import ByteTokenizer

TRANSLATIONS = [
    "A man sleeps on the bench .",
    "Two dogs run through the snow-covered field.",
    "",
    "The price rose by 3,5 % to $1,000.50 &quot;today&quot;",
    "A child",
    "Ein Mädchen spielt Gitarre, sagt er.",
]
REFERENCES = [
    ["A man sleeps on a bench.", "A man is asleep on the bench."],
    [
        "Two dogs run across a snow-covered field.",
        "Two dogs are running through the snow.",
    ],
    ["Nobody is here.", "There is no one."],
    [
        'The price rose 3,5% to $1,000.50 "today".',
        "Today the price went up to $1,000.50.",
    ],
    ["A child smiles at the camera.", "A child"],
    [
        "Ein Mädchen spielt Gitarre - sagt sie.",
        "Das Mädchen spielt Gitarre, sagt er.",
    ],
]

# (tokenize, references of each text, smooth_method): corpus_bleu(TRANSLATIONS,
# list(zip(*REFERENCES))[:references], tokenize=..., smooth_method=..., force=True).score
# of sacrebleu 2.6.0, divided by 100.
SACREBLEU = {
    ("13a", 1, None): 0.4177395275984535,
    ("13a", 1, "add-k"): 0.433101977601693,
    ("13a", 2, "exp"): 0.6711000394351231,
    ("13a", 2, "add-k"): 0.680685458106778,
    ("char", 1, "exp"): 0.641098669232615,
    ("char", 2, "add-k"): 0.8611215454290544,
    ("none", 1, "exp"): 0.21627035840063782,
    ("none", 2, "floor"): 0.42013583817469247,
}

# The same of these two, of which no three words in a row agree.
SPARSE = ["the man walks his dog", "she plays the guitar"]
SPARSE_REFERENCES = [["a man walks a dog"], ["he plays a guitar"]]
SPARSE_SACREBLEU = {
    None: 0.0,
    "exp": 0.16036590969929365,
    "floor": 0.08528733595636036,
    "add-k": 0.27581257663723946,
}

# And of these, the longest of which has two words; by smooth_method, effective_order.
SHORT, SHORT_REFERENCES = ["A child", "a dog"], [["A child smiles"], ["the cat"]]
SHORT_SACREBLEU = {
    (None, False): 0.0,
    (None, True): 0.3894003915357024,
    ("exp", False): 0.0,
    ("exp", True): 0.3894003915357024,
    ("floor", True): 0.3894003915357024,
    ("add-k", False): 0.5917606269910581,
    ("add-k", True): 0.5917606269910581,
}


def exact(**kwargs):
    return Bleu(**{"tokenize": "13a", "dtype": "float64", **kwargs})


@pytest.mark.parametrize("case", SACREBLEU)
def test_it_gives_the_numbers_of_sacrebleu(case):
    tokenize, count, smooth_method = case
    metric = exact(tokenize=tokenize, smooth_method=smooth_method)
    score = metric([several[:count] for several in REFERENCES], TRANSLATIONS)
    assert float(score) == pytest.approx(SACREBLEU[case], rel=0, abs=1e-12)


@pytest.mark.parametrize("smooth_method", SPARSE_SACREBLEU)
def test_orders_without_a_match_are_smoothed_as_sacrebleu_does(smooth_method):
    score = exact(smooth_method=smooth_method)(SPARSE_REFERENCES, SPARSE)
    wanted = SPARSE_SACREBLEU[smooth_method]
    assert float(score) == pytest.approx(wanted, rel=0, abs=1e-12)


@pytest.mark.parametrize("case", SHORT_SACREBLEU)
def test_orders_that_no_text_reaches_count_as_sacrebleu_has_them(case):
    smooth_method, effective_order = case
    metric = exact(smooth_method=smooth_method, effective_order=effective_order)
    score = metric(SHORT_REFERENCES, SHORT)
    assert float(score) == pytest.approx(SHORT_SACREBLEU[case], rel=0, abs=1e-12)


@pytest.mark.parametrize("smooth_method", [None, "exp", "floor", "add-k"])
@pytest.mark.parametrize("translations", [["", ""], ["x", "y z x y z"]])
def test_texts_without_a_match_score_nothing(translations, smooth_method):
    assert float(exact(smooth_method=smooth_method)(["a", "b"], translations)) == 0


def test_its_references_score_one():
    texts = [several[0] for several in REFERENCES]
    for tokenize in (None, "13a", "char", "none"):
        assert float(exact(tokenize=tokenize)(REFERENCES, texts)) == pytest.approx(1)


def test_smooth_adds_one_to_matches_and_n_grams_of_each_order():
    # Of "the cat sat", one word in three is right, and no two or three in a row.
    score = Bleu(smooth=True, max_order=3)([["the dog ran"]], ["the cat sat"])
    assert float(score) == pytest.approx((2 / 4 * 1 / 3 * 1 / 2) ** (1 / 3))


def test_by_default_the_shortest_reference_is_the_wanted_length():
    references, text = [["a b c d e f g h", "a b"]], "a b c d e f"
    one_order = {"max_order": 1}
    assert float(Bleu(**one_order)(references, [text])) == pytest.approx(1)
    # Of the two, 8 words are as near to 6 as 4 would be; 8 is nearer than 2.
    near = Bleu(tokenize="13a", **one_order)(references, [text])
    assert float(near) == pytest.approx(np.exp(1 - 8 / 6))
    even = Bleu(tokenize="13a", **one_order)([["a b c d e f g h", "a b c d"]], [text])
    assert float(even) == pytest.approx(1)


def test_a_repeated_word_matches_as_often_as_one_reference_has_it():
    references = [["the cat is on the mat", "there is a cat"]]
    score = Bleu(max_order=1)(references, ["the the the the the the the"])
    assert float(score) == pytest.approx(2 / 7)


def test_references_may_come_in_any_form():
    column = [several[:1] for several in REFERENCES]
    flat = [several[0] for several in REFERENCES]
    wanted = float(exact()(column, TRANSLATIONS))
    for y_true, y_pred in itertools.product(
        [flat, [[[text]] for text in flat], tf.constant(column), np.array(flat)],
        [TRANSLATIONS, [[text] for text in TRANSLATIONS], tf.constant(TRANSLATIONS)],
    ):
        assert float(exact()(y_true, y_pred)) == pytest.approx(wanted, rel=1e-12)


def test_texts_may_have_unequally_many_references():
    uneven = [several[: 1 + i % 2] for i, several in enumerate(REFERENCES)]
    doubled = [(several * 2)[:2] for several in uneven]  # a reference twice is one
    wanted = float(exact()(doubled, TRANSLATIONS))
    assert wanted != float(exact()(REFERENCES, TRANSLATIONS))
    for y_true in (uneven, tf.ragged.constant(uneven)):
        assert float(exact()(y_true, TRANSLATIONS)) == pytest.approx(wanted, rel=1e-12)


def test_a_single_translation_has_all_references():
    wanted = float(exact(effective_order=True)([REFERENCES[0]], TRANSLATIONS[:1]))
    for y_pred in (TRANSLATIONS[0], TRANSLATIONS[:1]):
        score = exact(effective_order=True)(REFERENCES[0], y_pred)
        assert float(score) == pytest.approx(wanted, rel=1e-12)


# One reference each, so that the nearest is the shortest.
ONE_EACH = [several[:1] for several in REFERENCES]


def test_a_tokenizer_decides_what_a_token_is():
    words = Bleu(tokenizer=tf.strings.split)(ONE_EACH, TRANSLATIONS)
    wanted = Bleu(tokenize="none")(ONE_EACH, TRANSLATIONS)
    assert float(words) == pytest.approx(float(wanted), rel=1e-6)


def test_tokens_may_be_numbers():
    references = [[text.replace(" ", "") for text in several] for several in ONE_EACH]
    texts = [text.replace(" ", "") for text in TRANSLATIONS]

    def codepoints(texts):
        return tf.strings.unicode_decode(texts, "UTF-8")

    found = Bleu(tokenizer=codepoints)(references, texts)
    wanted = Bleu(tokenize="char")(references, texts)
    assert float(found) == pytest.approx(float(wanted), rel=1e-6)


def test_a_tokenizer_layer_is_saved_with_the_metric():
    metric = Bleu(tokenizer=ByteTokenizer(), max_order=2)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
    again = keras.saving.deserialize_keras_object(config)
    assert isinstance(again.tokenizer, ByteTokenizer)
    scores = [float(each(REFERENCES, TRANSLATIONS)) for each in (metric, again)]
    assert scores[0] == scores[1] > 0


def test_words_are_those_of_mteval_13a():
    spaced = {
        'He said: "No!"': 'He said : " No ! "',
        "1,000.50 is 3.": "1,000.50 is 3 .",
        ".5 a.b 5-6 a-b": ". 5 a . b 5 - 6 a-b",
        "it's": "it's",
        "R&amp;D &lt;b&gt; <skipped>x": "R & D < b > x",
        "hyphen-\nated\nlines": "hyphenated lines",
        "wide\u3000space\xa0here": "wide space here",
        "„Ja“ sagte er…": "„Ja“ sagte er…",
    }
    for text, words in spaced.items():
        assert words_13a(text) == words.split()


def test_bytes_that_are_no_text_score_as_replacement_characters():
    assert float(exact(max_order=1)([b"a \xff b"], [b"a \xfe b"])) == pytest.approx(1)


def test_texts_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"`y_pred` must be of rank 0 or 1.*\(1, 2\)"):
        Bleu()([["a"]], [["a", "b"]])
    with pytest.raises(ValueError, match=r"`y_true` must be of rank 1 or 2"):
        Bleu()("a", "a")
    with pytest.raises(ValueError, match="3 in `y_true`, 2 in `y_pred`"):
        Bleu()(["a", "b", "c"], ["a", "b"])


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"tokenize": "13b"}, "tokenize='13b'. Did you mean '13a'"),
        ({"smooth_method": "add_k"}, "Did you mean 'add-k'"),
        ({"max_order": 0}, "`max_order` must be an integer of at least 1"),
        ({"tokenize": "13a", "tokenizer": str.split}, "exclude each other"),
        ({"smooth": True, "smooth_method": "exp"}, "exclude each other"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(kwargs, sentence):
    with pytest.raises(ValueError, match=sentence):
        Bleu(**kwargs)
