"""Writing tokens with GPT-2 of 124 million weights beside KerasHub and Hugging Face.

    python benchmarks/generate.py              # greedy, batch 4; beams of 4, batch 2
    python benchmarks/generate.py --first      # the first call of a process, by itself

Weights are random, which costs as much as learned ones. Prompts have 32 tokens, 96 are
written; a call is `generate` on token ids, prompt included. Nothing ends early.

Contenders: ours, float32, with weights in bfloat16 and quantized to int8; KerasHub's
`GPT2CausalLM` with its defaults, and with XLA off; Hugging Face's `GPT2LMHeadModel` on
PyTorch. Of beam search, ours and Hugging Face's, 4 beams on 2 prompts. KerasHub and PyTorch
are needed beside this package: pip install -e ".[peers]". They take turns (turns.py);
medians.
"""

import argparse
import json
import os
import time

from turns import Contender, take_turns

PROMPT, NEW = 32, 96
SIZE = {
    "vocabulary_size": 50_257,
    "num_layers": 12,
    "num_heads": 12,
    "hidden_dim": 768,
    "intermediate_dim": 3072,
}
GREEDY = ("ours", "ours bfloat16", "ours int8", "keras_hub", "keras_hub no xla", "hf")
BEAMS = ("ours", "ours bfloat16", "hf")


def prompts(batch, length=PROMPT):
    """int32 [batch, length]"""
    import numpy as np

    return np.random.default_rng(0).integers(0, 50_257, (batch, length), dtype="int32")


def given(batch, length=PROMPT):
    """What `generate` takes without a preprocessor: prompts, and room for the rest."""
    import numpy as np

    ids = np.pad(prompts(batch, length), [(0, 0), (0, PROMPT + NEW - length)])
    mask = np.arange(PROMPT + NEW)[None] < np.full((batch, 1), length)
    return {"token_ids": ids, "padding_mask": mask}


def make(name, batch, beams):
    """A function that writes; it checks what it wrote."""
    makers = {"ours": make_ours, "keras_hub": make_keras_hub, "hf": make_hugging_face}
    kind, _, option = name.partition(" ")
    run, ids = makers[kind](option, batch, beams)
    out = ids(run())
    assert out.shape == (batch, PROMPT + NEW), out.shape
    assert (out[:, :PROMPT] == prompts(batch)).all()
    return run


def make_ours(option, batch, beams):
    model = our_model(option)
    inputs = given(batch)
    sampler = sampler_for(beams)

    def run():
        return model.generate(inputs, stop_token_ids=None, sampler=sampler)

    return run, lambda outputs: outputs["token_ids"]


def our_model(option):
    from keras_nlp_lite.models import CausalLM, GPT2Backbone

    dtype = "bfloat16" if option == "bfloat16" else None
    model = CausalLM(GPT2Backbone(**SIZE, dtype=dtype))
    if option == "int8":
        model.backbone.quantize("int8")
    return model


def sampler_for(beams):
    from keras_nlp_lite import samplers

    return samplers.BeamSampler(beams) if beams > 1 else samplers.GreedySampler()


def make_keras_hub(option, batch, beams):
    from keras_hub.models import GPT2Backbone, GPT2CausalLM

    model = GPT2CausalLM(GPT2Backbone(**SIZE, max_sequence_length=1024))
    model.compile(sampler="greedy", **({"jit_compile": False} if option else {}))
    inputs = given(batch)

    def run():
        return model.generate(dict(inputs), stop_token_ids=None)

    return run, lambda outputs: outputs["token_ids"]


def make_hugging_face(option, batch, beams):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.set_num_threads(os.cpu_count())
    model = GPT2LMHeadModel(GPT2Config()).eval()
    ids = torch.tensor(prompts(batch), dtype=torch.long)
    options = {
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": NEW,
        "min_new_tokens": NEW,
        "do_sample": False,
        "num_beams": beams,
        "pad_token_id": 0,
    }

    def run():
        with torch.no_grad():
            return model.generate(ids, **options)

    return run, lambda outputs: outputs.numpy()


def first_call():
    """Prints the seconds of a process's first calls of `generate`."""
    model = our_model("")
    lengths = (PROMPT, PROMPT - 5, PROMPT)
    for number, length in enumerate(lengths, 1):
        start = time.perf_counter()
        model.generate(given(4, length), stop_token_ids=None, sampler="greedy")
        seconds = time.perf_counter() - start
        print(f"call {number}, prompts of {length} tokens: {seconds:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", action="store_true", help="the first call alone")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each")
    parser.add_argument("--only", nargs="*", help="names of contenders")
    parser.add_argument("--json", help="a file for the figures")
    options = parser.parse_args()
    if options.first:
        first_call()
        return

    figures = {}
    for kind, names, batch, beams in (
        ("greedy", GREEDY, 4, 1),
        ("beams of 4", BEAMS, 2, 4),
    ):
        names = [name for name in names if not options.only or name in options.only]
        contenders = {name: Contender(make, warm=0, turn=0.1) for name in names}
        try:
            cases = {name: (name, batch, beams) for name in names}
            seconds = take_turns(contenders, cases.__getitem__, options.repeats)
        finally:
            for contender in contenders.values():
                contender.end()
        rates = {name: batch * NEW / s for name, s in seconds.items()}
        peers = [rate for name, rate in rates.items() if not name.startswith("ours")]
        print(
            f"\n{kind}, {batch} prompts of {PROMPT} tokens, {NEW} written", flush=True
        )
        for name, rate in rates.items():
            ratio = f"{rate / max(peers):5.2f} x the best peer" if peers else ""
            print(f"  {name:18} {rate:7.1f} tokens/s {ratio}", flush=True)
        figures[kind] = rates
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
