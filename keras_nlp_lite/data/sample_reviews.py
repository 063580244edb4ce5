"""Film reviews out of a small grammar, for a first run without any download."""

import os
import random

from keras_nlp_lite.checks import check_positive_int


def _words(text):
    return [word.strip() for word in text.split(",")]


def _sentences(text):
    return [line.strip() for line in text.strip().splitlines()]


# How often praise is a denied flaw, and blame a denied virtue. The nearer to one half,
# the less a single word tells; pairs such as "not good" tell as much as ever.
_DENIED = 0.28
# How often a sentence speaks against the rest of its review.
_AGAINST = 0.05

# Words that follow "a": no vowel begins them.
_GOOD = _words("""
    good, great, lovely, funny, clever, moving, gripping, fresh, charming, brilliant,
    subtle, witty, memorable, convincing, warm, touching, delightful, sharp
""")
_BAD = _words("""
    bad, boring, clumsy, stale, shallow, predictable, bland, wooden, tedious, silly,
    confused, hollow, lazy, dull, cheap, sloppy, tiresome, forgettable
""")
_PART = _words("""
    plot, script, soundtrack, ending, opening, cast, story, love story, chase, villain,
    score, finale, hero, twist, prologue, second half, dream sequence, closing scene,
    supporting cast, screenplay, courtroom scene, wedding scene, final hour, dance number
""")
_UNIT = _words("minute, scene, line, moment, shot, idea, joke, frame")
_DEGREE = _words("really, truly, quite, simply, thoroughly, remarkably")
_DENIAL = _words("not, never, hardly, far from, anything but")
_KIND = _words("""
    western, thriller, comedy, drama, musical, documentary, road movie, horror film,
    costume drama, spy story, war film, family film, heist film, ghost story, remake
""")
_PLACE = _words("""
    on a rainy Sunday, with my sister, at a festival, on a long flight, late last night,
    with two friends, at the old cinema in town, on an old tape, for the second time,
    without knowing the book, after a long day, because a neighbour insisted
""")
_FIRST = _words(
    "Ada, Bruno, Clara, Edgar, Ines, Jonas, Karin, Leo, Mira, Otto, Petra, Viktor"
)
_LAST = _words(
    "Almqvist, Berger, Castell, Dorn, Ferrante, Hale, Ivarsson, Kowal, Lund, Marsh"
)

_OPENING = _sentences("""
    I saw this {kind} {place}.
    {place}, I finally watched the {kind} by {name}.
    A {kind} by {name}, {minutes} minutes long.
    {name} made this {kind} back in {year}.
    We picked this {kind} {place}.
    Another {kind}, this time with {name}.
""")
_ASIDE = _sentences("""
    {name} plays the lead.
    It runs for {minutes} minutes.
    Most of it was shot in {year}.
    The book came out in {year}.
    My copy had subtitles.
    {name} wrote the screenplay with {other}.
    It has {count} chapters and an epilogue.
    There are {count} songs in it.
""")
_CLAIM = _sentences("""
    The {part} is {degree} {word}.
    I found the {part} {degree} {word}.
    The {part} was {word} from start to end.
    It has a {degree} {word} {part}.
    What a {word} {part}!
    The {part}, thanks to {name}, is {word}.
    So many {word} {unit}s in one film!
    To watch the {part} was {degree} {word}.
""")
_DENYING_CLAIM = _sentences("""
    The {part} is {denial} {word}.
    I found the {part} {denial} {word}.
    The {part} was not {word} at all.
    To be fair, the {part} is {denial} {word}.
    The {part}, thanks to {name}, is {denial} {word}.
    It has hardly a {word} {unit}.
    There is not one {word} {unit} in it.
    To watch the {part} was {denial} {word}.
""")


def write_sample_reviews(folder, *, examples=2000, seed=0):
    """Writes film reviews that a seeded grammar makes up, and needs no download.

    Half of them praise and half of them blame. Both use the same words: "not a boring
    minute" praises, "far from clever" blames. So counting words gets some reviews
    wrong, and counting pairs of words gets nearly all of them right.

    Args:
        folder: Where `train/neg`, `train/pos`, `test/neg` and `test/pos` go, one text
            file a review. An earlier sample there is overwritten.
        examples: Reviews in `train`, and as many again in `test`; rounded down to an
            even number. At least 2.
        seed: The same seed and number of examples write the same reviews.

    Returns:
        str, the folder.

    Raises:
        ValueError: Fewer than 2 examples, or one of the four folders holds something
            that this would not overwrite.

    Example:

    >>> import pathlib, tempfile
    >>> folder = write_sample_reviews(tempfile.mkdtemp(), examples=6)
    >>> sorted(path.name for path in pathlib.Path(folder, "test", "pos").iterdir())
    ['sample_0.txt', 'sample_1.txt', 'sample_2.txt']
    """
    check_positive_int("examples", examples)
    if examples < 2:
        raise ValueError(
            "`examples` must be at least 2, one of each class. Received: "
            f"examples={examples}."
        )
    folder = os.fsdecode(folder)
    names = [f"sample_{i}.txt" for i in range(examples // 2)]
    classes = [
        (os.path.join(folder, part, name), name == "pos")
        for part in ("train", "test")
        for name in ("neg", "pos")
    ]
    for path, _ in classes:
        _check_nothing_else(path, names)
    rng = random.Random(seed)
    for path, positive in classes:
        os.makedirs(path, exist_ok=True)
        for name in names:
            with open(os.path.join(path, name), "w", encoding="utf-8") as file:
                file.write(_review(rng, positive))
    return folder


def _check_nothing_else(path, names):
    """Refuses a folder in which a sample would mix with other files."""
    others = set(os.listdir(path)).difference(names) if os.path.isdir(path) else ()
    if others:
        raise ValueError(
            f"{path!r} must be empty, or hold an earlier sample of this size. "
            f"Received: {len(others)} other files, such as {min(others)!r}. Try another "
            "folder."
        )


def _review(rng, positive):
    """One review, str: an opening, five to nine claims, an aside here and there."""
    sentences = [_sentence(rng, _OPENING)]
    for _ in range(rng.randint(5, 9)):
        praise = positive != (rng.random() < _AGAINST)
        denied = rng.random() < _DENIED
        word = rng.choice(_GOOD if praise != denied else _BAD)
        sentences.append(_sentence(rng, _DENYING_CLAIM if denied else _CLAIM, word))
        if rng.random() < 0.2:
            sentences.append(_sentence(rng, _ASIDE))
    return " ".join(sentences)


def _sentence(rng, templates, word=""):
    """One of the templates, filled in."""
    sentence = rng.choice(templates).format(
        word=word,
        part=rng.choice(_PART),
        unit=rng.choice(_UNIT),
        degree=rng.choice(_DEGREE),
        denial=rng.choice(_DENIAL),
        kind=rng.choice(_KIND),
        place=rng.choice(_PLACE),
        name=f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
        other=f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
        minutes=rng.randint(75, 190),
        year=rng.randint(1931, 2019),
        count=rng.randint(3, 14),
    )
    return sentence[0].upper() + sentence[1:]
