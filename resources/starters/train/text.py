"""The text encoder, trained on captions alone and frozen afterwards.

Learnt together with the UNet from nothing it stalls (all words stay alike), and learnt on with it, it forgets which of
two things is where. So it first learns to tell every attribute of a caption, and is then left alone.
"""

import random

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from train.attributes import attribute_heads, labels
from train.loop import Place, Task, fit
from train.pictures import draw
from train.scenes import DRAWN, GROUNDS, SKIES
from train.shapes import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES
from train.words import LENGTH, load_tokenizer, token_ids

WIDTH = 128
BATCH = 48
SHORT = 32  # long enough for every caption; positions beyond it hold padding only and are trained now and then

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": ("one", "two", "scene"),
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "size": tuple(SIZES),
    "position": tuple(POSITIONS),
    "background": BACKGROUNDS,
    "background_colour": tuple(COLOURS),
    "other_shape": SHAPES,
    "other_colour": tuple(COLOURS),
    "relation": ("left", "above"),
    "subject": (*DRAWN, "nothing"),
    "time": tuple(SKIES),
    "ground": tuple(GROUNDS),
}


def build(vocabulary: int) -> CLIPTextModel:
    """Three layers, 128 wide. Tokens start seven times as far apart as usual, so that words differ from the first step."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
        hidden_act="quick_gelu",
    )
    model = CLIPTextModel(config)
    nn.init.normal_(model.get_input_embeddings().weight, std=0.15)
    return model


class Reader(nn.Module):
    """The text encoder with linear heads that tell a caption's attributes and each token's own identity."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.encoder = build(vocabulary)
        self.heads = attribute_heads(WIDTH, ATTRIBUTES)
        self.own = nn.Linear(WIDTH, vocabulary)

    def forward(self, ids: Tensor) -> Tensor:
        """(n, length) ids to (n, length, WIDTH) states."""
        return self.encoder(ids)[0]


def captions(rng: random.Random, count: int) -> tuple[list[str], list[dict[str, str]]]:
    drawn = [draw(rng, size=8) for _ in range(count)]
    return [p.caption for p in drawn], [p.attributes for p in drawn]


def loss_of(reader: Reader, tokenizer: CLIPTokenizer, step: int, device: torch.device) -> Tensor:
    """Cross entropy of the attributes, read from the end token and from a random padding token, and of the tokens."""
    rng = random.Random(f"text {step}")
    said, attributes = captions(rng, BATCH)
    length = LENGTH if step % 6 == 0 else SHORT
    ids = token_ids(tokenizer, said, length).to(device)
    states = reader(ids)
    rows = torch.arange(BATCH, device=device)
    end_id = len(tokenizer) - 1
    end = (ids == end_id).int().argmax(1)
    padding = torch.maximum(end, torch.tensor([rng.randrange(length) for _ in range(BATCH)], device=device))
    total = torch.zeros((), device=device)
    for name, head in reader.heads.items():
        wanted = labels(attributes, ATTRIBUTES, name).to(device)
        for place in (end, padding):
            total = total + functional.cross_entropy(head(states[rows, place]), wanted)
    words = ids != end_id
    return total + 2 * functional.cross_entropy(reader.own(states[words]), ids[words])


@torch.no_grad()
def accuracy(reader: nn.Module, tokenizer: CLIPTokenizer, device: torch.device, count: int = 200) -> dict[str, float]:
    """Share of attributes told rightly from the end token, over those said; and of the hardest, the two colours."""
    said, attributes = captions(random.Random(5), count)
    ids = token_ids(tokenizer, said).to(device)
    end = (ids == len(tokenizer) - 1).int().argmax(1)
    states = reader(ids)[torch.arange(count, device=device), end]
    right: list[bool] = []
    colours: list[bool] = []
    for name, head in reader.heads.items():
        guess = head(states).argmax(1).cpu()
        for got, wanted, a in zip(guess, labels(attributes, ATTRIBUTES, name), attributes, strict=True):
            if name in a:
                right.append(bool(got == wanted))
                if a["kind"] == "two" and name in ("colour", "other_colour"):
                    colours.append(bool(got == wanted))
    return {"attributes": sum(right) / len(right), "two_colours": sum(colours) / len(colours)}


def train(minutes: float, resume: bool, place: Place) -> None:
    tokenizer = load_tokenizer(place.folder / "tokenizer")
    torch.manual_seed(0)
    reader = Reader(len(tokenizer))
    task = Task(
        name="text",
        model=reader,
        loss=lambda step: loss_of(reader, tokenizer, step, place.device),
        batch=BATCH,
        rate=1.5e-3,
        flat=0.3,
        warmup=30,
        ema=0.98,
        weight_decay=0.01,
        score=lambda model: accuracy(model, tokenizer, place.device),
        score_every=60,
    )
    fit(task, minutes, place, resume)
