"""Texts that trip up what cuts text, and what is true of spans in any of them."""

# ruff: noqa: RUF001 - letters of many scripts are meant
import numpy as np

ODD_TEXTS = [
    b"",
    b" ",
    b" \t\r\n\x0b\x0c ",
    b"  two   words  ",
    b"nul\x00 and \x01\x1e\x1f\x7f controls",
    b"\xff\xfe not \xc3( UTF-8 \xe4\xb8",
    b"lone \xed\xa0\x80 surrogate, \xc0\x80 overlong, \xf4\x90\x80\x80 too high",
    "👨\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 👍🏽".encode(),
    "שלום עולם, مرحبا \u200fبالعالم\u200e".encode(),
    "日本語のテキスト、中文文本。한국어 ｶﾞｷﾞ ᄒ\u1161\u11ab".encode(),
    "e\u0301 É ﬁ ① ½ ß İ Ǆ \u00adsoft\u00adhy\u00ad\u0301phen".encode(),
    "a\u0300\u0301\u0302\u0303" * 3 + "\u0301 first is a mark".encode().decode(),
    "क्षत्रिय ไทย\u00a0nbsp\u3000wide\u2028line".encode(),
]
ODD_TEXTS = [x if isinstance(x, bytes) else x.encode() for x in ODD_TEXTS]


def check_spans(text, starts, ends):
    """Checks what is true of all spans, and gives the text that lies between them."""
    starts, ends = np.array(starts, int), np.array(ends, int)
    assert (starts <= ends).all(), text
    assert (ends[:-1] <= starts[1:]).all(), text  # in order, and no overlap
    edges = [0, *(x for span in zip(starts, ends) for x in span), len(text)]
    assert sorted(edges) == edges, text  # inside the text
    return [text[a:b] for a, b in zip(edges[::2], edges[1::2]) if a < b]
