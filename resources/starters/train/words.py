"""The tokenizer: CLIP's byte pair encoding with just the merges that make each word of our captions one token."""

import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor
from transformers import CLIPTokenizer

from train.pictures import MIX, draw

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77
STYLES = ("blueprint", "watercolor")

# Words that captions do not use by themselves and that prompts or add-ons may.
MORE_WORDS = (*STYLES, "style", "sketch", "photo", "painting", "bright", "dark", "and", "two", "one", "front", "behind")


def byte_symbols() -> list[str]:
    """The printable character that stands for each byte, in CLIP's order (GPT-2's `bytes_to_unicode`)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def caption_words(count: int = 6000) -> Counter[str]:
    """How often each word comes up in captions."""
    rng = random.Random(0)
    words: Counter[str] = Counter()
    for kind in MIX:
        for _ in range(count // len(MIX)):
            words.update(re.findall(r"[a-z]+|,", draw(rng, kind, size=8).caption))
    words.update(dict.fromkeys(MORE_WORDS, 50))
    return words


def learn_merges(words: Counter[str], pieces: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Merges of the most frequent neighbours until every word is one symbol (Sennrich et al. 2016).

    `pieces` has the symbols that each word starts as.
    """
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in pieces.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] += words[word]
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, parts in pieces.items():
            joined: list[str] = []
            for part in parts:
                if joined and (joined[-1], part) == best:
                    joined[-1] += part
                else:
                    joined.append(part)
            pieces[word] = joined


def write_tokenizer(folder: Path) -> None:
    """Write vocab.json, merges.txt and the configuration that CLIPTokenizer.from_pretrained reads."""
    words = caption_words()
    merges = learn_merges(words, {word: [*word[:-1], word[-1] + "</w>"] for word in words})
    symbols = byte_symbols()
    entries = [*symbols, *(s + "</w>" for s in symbols), *("".join(m) for m in merges), START, END]
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "add_prefix_space": False,
        "errors": "replace",
        "do_lower_case": True,
    }
    write_files(folder, entries, merges, special, settings)


def write_files(
    folder: Path,
    entries: Iterable[str],
    merges: list[tuple[str, str]],
    special: Mapping[str, str],
    settings: Mapping[str, object],
) -> None:
    """Write a byte pair encoding as transformers reads it: vocab.json, merges.txt and the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {entry: i for i, entry in enumerate(dict.fromkeys(entries))}
    lines = ["#version: 0.2", *(" ".join(m) for m in merges), ""]
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, **settings}, indent=2), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2), encoding="utf-8")


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer in `folder`, written first where there is none."""
    if not (folder / "vocab.json").exists():
        write_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder)


def token_ids(tokenizer: CLIPTokenizer, captions: list[str], length: int = LENGTH) -> Tensor:
    """(n, length) int64 token ids, padded with the end token."""
    return tokenizer(captions, padding="max_length", truncation=True, max_length=length, return_tensors="pt").input_ids
