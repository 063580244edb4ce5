"""Samplers by name, by config, and from a file of JSON."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import samplers
from tests.samplers.toy import END, Toy, prompts

NAMES = [
    "beam",
    "contrastive",
    "greedy",
    "min_p",
    "random",
    "top_k",
    "top_p",
    "typical",
]
MADE = [
    samplers.BeamSampler(3, length_penalty=0.6, early_stopping="never", min_length=6),
    samplers.BeamSampler(2, True),
    samplers.ContrastiveSampler(3, 0.4),
    samplers.GreedySampler(bad_words_ids=[[9], [7, 11]], repetition_penalty=1.2),
    samplers.MinPSampler(0.1, 5, temperature=0.7),
    samplers.RandomSampler(5, no_repeat_ngram_size=2),
    samplers.TopKSampler(4, 5, num_return_sequences=2),
    samplers.TopPSampler(0.9, 10, 5),
    samplers.TypicalSampler(0.8, keras.random.SeedGenerator(5)),
]


def texts(sampler):
    toy, prompt = Toy(), prompts()
    return sampler(
        toy.recomputed,
        prompt,
        {"starts": tf.zeros(5, tf.int32)},
        3,
        stop_token_ids=[END],
        hidden_states=toy.hidden_states(prompt, 3),
    )


@pytest.mark.parametrize("sampler", MADE, ids=lambda x: type(x).__name__)
def test_a_sampler_out_of_its_config_writes_the_same(sampler):
    config = json.loads(json.dumps(samplers.serialize(sampler)))
    again = samplers.deserialize(config)
    assert type(again) is type(sampler)
    assert again.get_config() == sampler.get_config()
    for found, wanted in zip(
        tf.nest.flatten(texts(again)), tf.nest.flatten(texts(sampler)), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_each_sampler_has_a_name(name):
    sampler = samplers.get(name)
    wanted = name.replace("_", "") + "sampler"
    assert type(sampler).__name__.lower() == wanted
    assert sampler.get_config() == type(sampler)().get_config()


def test_get_takes_whatever_says_which_sampler():
    mine = samplers.TopKSampler(k=3)
    assert samplers.get(mine) is mine
    assert samplers.get(samplers.serialize(mine)).k == 3
    plain = {"class_name": "TopKSampler", "config": {"k": 7}}
    assert samplers.get(plain).k == 7
    assert isinstance(samplers.get(samplers.GreedySampler), samplers.GreedySampler)
    assert samplers.get(None) is None


def test_an_own_sampler_is_found_among_custom_objects():
    class Mine(samplers.GreedySampler):
        pass

    config = samplers.serialize(Mine(min_length=4))
    again = samplers.deserialize(config, custom_objects={"Mine": Mine})
    assert type(again) is Mine and again.min_length == 4
    assert type(samplers.deserialize("mine", {"mine": Mine})) is Mine


def test_what_names_no_sampler_is_refused():
    with pytest.raises(ValueError, match="'beam', 'con.*'topp'.*mean 'top_p'"):
        samplers.get("topp")
    with pytest.raises(ValueError, match="by name, config or itself. Received: 5"):
        samplers.get(5)
