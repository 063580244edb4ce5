"""Tokenizers of generation models in Hugging Face folders."""

import json
import os

import pytest
import tokenizers as peer

from keras_nlp_lite.tokenizers import (
    BartTokenizer,
    BytePairTokenizer,
    GPT2Tokenizer,
    Llama3Tokenizer,
    LlamaTokenizer,
    MarianTokenizer,
    MistralTokenizer,
    QwenTokenizer,
    WordPieceTokenizer,
    bart_from_folder,
    bart_to_folder,
    gpt2_from_folder,
    gpt2_to_folder,
    llama_from_folder,
    llama_to_folder,
    load_tokenizer,
    marian_from_folder,
    marian_to_folder,
    qwen_from_folder,
    qwen_to_folder,
    save_tokenizer,
    write_tokenizer_json,
)
from keras_nlp_lite.tokenizers.tokenizer_json import byte_pair_arguments
from tests.tokenizers.test_byte_pair_patterns import TEXTS as ODD_TEXTS
from tests.tokenizers.test_generation_tokenizers import (
    FAMILIES,
    TEXTS,
    make,
    pairs,
    proto,
)

READ = {
    GPT2Tokenizer: gpt2_from_folder,
    BartTokenizer: bart_from_folder,
    LlamaTokenizer: llama_from_folder,
    MistralTokenizer: llama_from_folder,
    Llama3Tokenizer: llama_from_folder,
    QwenTokenizer: qwen_from_folder,
    MarianTokenizer: marian_from_folder,
}
WRITE = {
    GPT2Tokenizer: gpt2_to_folder,
    BartTokenizer: bart_to_folder,
    LlamaTokenizer: llama_to_folder,
    MistralTokenizer: llama_to_folder,
    Llama3Tokenizer: llama_to_folder,
    QwenTokenizer: qwen_to_folder,
    MarianTokenizer: marian_to_folder,
}
BYTE_PAIRS = (GPT2Tokenizer, BartTokenizer, Llama3Tokenizer, QwenTokenizer)


def say(folder, name, **settings):
    """Changes settings in one of a folder's JSON files, or writes one."""
    path = folder / name
    said = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**said, **settings}))


@pytest.mark.parametrize("cls", FAMILIES)
def test_a_folder_gives_the_tokenizer_back(cls, tmp_path):
    tokenizer = make(cls)
    WRITE[cls](tokenizer, tmp_path)
    if cls is MistralTokenizer:
        say(tmp_path, "config.json", model_type="mistral")
    loaded = READ[cls](tmp_path, sequence_length=99)
    assert type(loaded) is cls and loaded.sequence_length == 99
    assert loaded.special_token_ids == tokenizer.special_token_ids
    assert (
        loaded(TEXTS).numpy().tolist()
        == make(cls, sequence_length=99)(TEXTS).numpy().tolist()
    )
    config = {**tokenizer.get_config(), "sequence_length": 99, "name": None}
    assert {**loaded.get_config(), "name": None} == config


@pytest.mark.parametrize("cls", BYTE_PAIRS)
def test_the_rust_library_reads_the_folder_and_gives_the_same_ids(cls, tmp_path):
    tokenizer = make(cls, special_tokens_in_strings=True)
    WRITE[cls](tokenizer, tmp_path)
    theirs = peer.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    names = tokenizer.special_token_names
    texts = [*ODD_TEXTS[:2000], *(f"a {name}b 12345" for name in names), *TEXTS]
    wanted = theirs.encode_batch(texts, add_special_tokens=False)
    for text, ids, encoding in zip(texts, tokenizer(texts).to_list(), wanted):
        assert ids == encoding.ids, repr(text)


@pytest.mark.parametrize(
    "cls, around, between",
    [
        (GPT2Tokenizer, ([], []), []),
        (QwenTokenizer, ([], []), []),
        (Llama3Tokenizer, (["<|begin_of_text|>"], []), ["<|begin_of_text|>"]),
        (BartTokenizer, (["<s>"], ["</s>"]), ["</s>", "</s>"]),
    ],
)
def test_a_family_puts_its_tokens_around_texts(cls, around, between, tmp_path):
    tokenizer = make(cls)
    write_tokenizer_json(tokenizer, tmp_path / "tokenizer.json")
    theirs = peer.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    middle = tokenizer("ba").numpy().tolist()
    before, after, among = (
        [tokenizer.token_to_id(token) for token in tokens]
        for tokens in (*around, between)
    )
    assert theirs.encode("ba").ids == before + middle + after
    assert theirs.encode("ba", "ba").ids == before + middle + among + middle + after


@pytest.mark.parametrize("cls", BYTE_PAIRS)
def test_vocab_and_merges_do_without_the_whole_file(cls, tmp_path):
    tokenizer = make(cls)
    WRITE[cls](tokenizer, tmp_path)
    os.remove(tmp_path / "tokenizer.json")
    assert READ[cls](tmp_path)(TEXTS).to_list() == tokenizer(TEXTS).to_list()
    last = tokenizer.vocabulary_size()
    added = {str(last): {"content": "<x>", "special": False}}
    added[str(last + 1)] = {"content": "<|im_start|>", "special": True}
    say(tmp_path, "tokenizer_config.json", added_tokens_decoder=added)
    loaded = READ[cls](tmp_path, special_tokens_in_strings=True)
    assert loaded("<|im_start|><x>").numpy().tolist() == [last + 1, last]
    end = loaded.end_token_id
    assert loaded.detokenize([last + 1, end], skip_special_tokens=True).numpy() == b""


@pytest.mark.parametrize("cls", [Llama3Tokenizer, QwenTokenizer])
def test_the_config_says_which_token_ends_a_text(cls, tmp_path):
    WRITE[cls](make(cls), tmp_path)
    say(tmp_path, "tokenizer_config.json", eos_token={"content": "</s>"})
    loaded = READ[cls](tmp_path)
    assert loaded.end_token_id == pairs()[0]["</s>"]
    assert READ[cls](tmp_path, eos_token="<pad>").end_token == "<pad>"


@pytest.mark.parametrize("cls", [*BYTE_PAIRS, MarianTokenizer])
def test_a_folder_says_which_tokenizer_it_is_of(cls, tmp_path):
    tokenizer = make(cls)
    if cls is GPT2Tokenizer:
        vocabulary, merges = pairs()
        tokenizer = cls({k: v for k, v in vocabulary.items() if k != "<s>"}, merges)
    save_tokenizer(tokenizer, tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is cls or type(loaded).__name__ == "RobertaTokenizer"
    assert (type(loaded) is cls) == (
        cls is not BartTokenizer
    )  # no file tells these two apart
    assert loaded(TEXTS).to_list() == tokenizer(TEXTS).to_list()


def test_settings_of_plain_byte_pairs_come_back(tmp_path):
    vocabulary, merges = pairs()
    settings = {"split_pattern": "llama3", "ignore_merges": True}
    settings["unsplittable_tokens"] = ["<mask>"]
    tokenizer = BytePairTokenizer(vocabulary, merges, **settings)
    write_tokenizer_json(tokenizer, tmp_path / "tokenizer.json")
    said = byte_pair_arguments(tmp_path / "tokenizer.json")
    assert {name: said[name] for name in settings} == settings
    assert said["merges"] == merges and said["vocabulary"] == vocabulary


def test_merges_may_be_pairs(tmp_path):
    gpt2_to_folder(make(GPT2Tokenizer), tmp_path)
    path = tmp_path / "tokenizer.json"
    model = json.loads(path.read_text())["model"]
    pairs_of_merges = [merge.split(" ") for merge in model["merges"]]
    say(tmp_path, path.name, model={**model, "merges": pairs_of_merges})
    assert (
        gpt2_from_folder(tmp_path)(TEXTS).to_list()
        == make(GPT2Tokenizer)(TEXTS).to_list()
    )


def test_what_a_tokenizer_json_has_no_place_for_is_refused(tmp_path):
    tokenizer = BytePairTokenizer(
        *pairs(), add_prefix_space=True, split_pattern="qwen2"
    )
    with pytest.raises(ValueError, match="add_prefix_space=True .* Received: 'qwen2'"):
        write_tokenizer_json(tokenizer, tmp_path / "tokenizer.json")


SPLIT = {"type": "Split", "pattern": {"Regex": r"\s+"}, "behavior": "Isolated"}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}


@pytest.mark.parametrize(
    "parts, message",
    [
        ([{"type": "Digits"}, BYTES], r"\['Split', 'ByteLevel'\].*\['Digits'"),
        ([SPLIT, BYTES], "one of gpt2, llama3, qwen2. Received: .*s\\+"),
        ([{**SPLIT, "behavior": "Removed"}, BYTES], "behavior 'Isolated'.*'Removed'"),
        ([SPLIT, {**BYTES, "use_regex": True}], "use_regex False.* Received: True"),
        ([SPLIT, {**BYTES, "add_prefix_space": True}], "add_prefix_space False"),
    ],
)
def test_words_that_are_cut_otherwise_are_refused(parts, message, tmp_path):
    llama_to_folder(make(Llama3Tokenizer), tmp_path)
    regex = json.loads((tmp_path / "tokenizer.json").read_text())["pre_tokenizer"]
    if "gpt2" not in message:
        known = regex["pretokenizers"][0]["pattern"]
        parts = [{**p, "pattern": known} if "pattern" in p else p for p in parts]
    words = {"type": "Sequence", "pretokenizers": parts}
    say(tmp_path, "tokenizer.json", pre_tokenizer=words)
    with pytest.raises(ValueError, match=message):
        llama_from_folder(tmp_path)


def test_folders_of_another_kind_are_refused(tmp_path):
    for read in (gpt2_from_folder, qwen_from_folder, llama_from_folder):
        with pytest.raises(ValueError, match="must hold tokenizer.json.*holds nothing"):
            read(tmp_path)
    with pytest.raises(
        ValueError, match="must hold source.spm.*without source.spm, target"
    ):
        marian_from_folder(tmp_path)
    say(tmp_path, "tokenizer_config.json", separate_vocabs=True)
    with pytest.raises(ValueError, match="one vocabulary for both languages"):
        marian_from_folder(tmp_path)
    say(tmp_path, "tokenizer.json", model={"type": "BPE", "byte_fallback": True})
    with pytest.raises(ValueError, match="must hold tokenizer.model"):
        llama_from_folder(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(proto())
    assert llama_from_folder(tmp_path).proto == proto()


def test_word_pieces_of_another_mark_and_with_whole_cjk_words_come_back(tmp_path):
    tokenizer = WordPieceTokenizer(
        ["[UNK]", "tea", "@@s", "中文", "中"],
        suffix_indicator="@@",
        split_on_cjk=False,
        lowercase=True,
        strip_accents=True,
    )
    save_tokenizer(tokenizer, tmp_path)
    texts = ["Teas 中文 中", "téa中"]
    ids = load_tokenizer(tmp_path)(texts).to_list()
    assert ids == tokenizer(texts).to_list() == [[1, 2, 3, 4], [0]]
    theirs = peer.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [encoding.ids for encoding in theirs.encode_batch(texts)] == ids


def test_composed_text_of_no_known_family_is_refused(tmp_path):
    vocabulary, merges = pairs()
    tokenizer = BytePairTokenizer(vocabulary, merges)
    write_tokenizer_json(tokenizer, tmp_path / "tokenizer.json")
    say(tmp_path, "tokenizer.json", normalizer={"type": "NFC"})
    with pytest.raises(ValueError, match="'NFC' must have the special tokens"):
        load_tokenizer(tmp_path)
