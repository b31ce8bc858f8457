"""The sound starter's text side: a RoBERTa tokenizer, and the text half of CLAP, trained on captions alone and frozen."""

import random
import re
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ClapTextConfig, ClapTextModelWithProjection, RobertaTokenizer

from train.attributes import attribute_heads, labels
from train.loop import Place, Task, fit
from train.sounds import CHORDS, CLASSES, DRUMS, LOUDNESS, NOTE_NAMES, NOTES, Sound, synthesise
from train.words import byte_symbols, learn_merges, write_files

LENGTH = 32
WIDTH = 128
EMBEDDING = 128
BATCH = 48
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": CLASSES,
    "loudness": tuple(LOUDNESS),
    "note": tuple(NOTES),
    "drum": DRUMS,
    "root": NOTE_NAMES,
    "mode": tuple(CHORDS),
}


def write_tokenizer(folder: Path) -> None:
    """Write vocab.json, merges.txt and the configuration that RobertaTokenizer.from_pretrained reads."""
    rng = random.Random(0)
    words: Counter[str] = Counter()
    for _ in range(3000):
        words.update(re.findall(r"[a-z]+", synthesise(rng).caption))
    merges = learn_merges(words, {word: ["Ġ", *word] for word in words})
    entries = [*SPECIAL, *byte_symbols(), *("".join(m) for m in merges), "<mask>"]
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "cls_token": "<s>"}
    special |= {"sep_token": "</s>", "mask_token": "<mask>"}
    settings = {"tokenizer_class": "RobertaTokenizer", "model_max_length": LENGTH, "add_prefix_space": True}
    write_files(folder, entries, merges, special, settings)


def load_tokenizer(folder: Path) -> RobertaTokenizer:
    """The tokenizer in `folder`, written first where there is none."""
    if not (folder / "vocab.json").exists():
        write_tokenizer(folder)
    return RobertaTokenizer.from_pretrained(folder)


def build(vocabulary: int) -> ClapTextModelWithProjection:
    config = ClapTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=LENGTH + 2,
        projection_dim=EMBEDDING,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=SPECIAL.index("<pad>"),
        bos_token_id=SPECIAL.index("<s>"),
        eos_token_id=SPECIAL.index("</s>"),
        type_vocab_size=1,
    )
    model = ClapTextModelWithProjection(config)
    nn.init.normal_(model.get_input_embeddings().weight, std=0.15)
    return model


class Reader(nn.Module):
    """The text encoder with linear heads that tell a caption's attributes from its embedding."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.encoder = build(vocabulary)
        self.heads = attribute_heads(EMBEDDING, ATTRIBUTES)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return embed(self.encoder, ids, mask)


def embed(encoder: ClapTextModelWithProjection, ids: Tensor, mask: Tensor) -> Tensor:
    """(n, 128) of unit length, as AudioLDMPipeline conditions on it."""
    return functional.normalize(encoder(ids, attention_mask=mask).text_embeds, dim=-1)


def tokens(tokenizer: RobertaTokenizer, captions: list[str]) -> tuple[Tensor, Tensor]:
    """(n, 32) ids and mask."""
    made = tokenizer(captions, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
    return made.input_ids, made.attention_mask


def train(minutes: float, resume: bool, place: Place) -> None:
    tokenizer = load_tokenizer(place.folder / "tokenizer")
    torch.manual_seed(0)
    reader = Reader(len(tokenizer))
    pool = [synthesise(random.Random(f"caption {i}")) for i in range(4000)]
    known, learnt = pool[:300], pool[300:]

    def read(model: nn.Module, sounds: list[Sound]) -> Tensor:
        ids, mask = tokens(tokenizer, [s.caption for s in sounds])
        return model(ids.to(place.device), mask.to(place.device)) * EMBEDDING**0.5

    def loss(step: int) -> Tensor:
        some = random.Random(f"text {step}").sample(learnt, BATCH)
        said = [s.attributes for s in some]
        read_out = read(reader, some)
        total = torch.zeros((), device=place.device)
        for name, head in reader.heads.items():
            total = total + functional.cross_entropy(head(read_out), labels(said, ATTRIBUTES, name).to(place.device))
        return total

    @torch.no_grad()
    def score(model: nn.Module) -> dict[str, float]:
        said = [s.attributes for s in known]
        read_out = read(model, known)
        right = [
            bool(got == wanted)
            for name, head in model.heads.items()
            for got, wanted, a in zip(head(read_out).argmax(1).cpu(), labels(said, ATTRIBUTES, name), said, strict=True)
            if name in a
        ]
        return {"attributes": sum(right) / len(right)}

    task = Task("text", reader, loss, BATCH, rate=1.5e-3, flat=0.3, warmup=30, ema=0.98, score=score, score_every=60)
    fit(task, minutes, place, resume)
