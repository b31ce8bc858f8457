import random
from pathlib import Path

import pytest
from train.pictures import draw
from train.words import LENGTH, load_tokenizer, token_ids
from transformers import CLIPTokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    return load_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_every_word_of_a_caption_is_one_token(tokenizer: CLIPTokenizer) -> None:
    rng = random.Random(9)
    for _ in range(100):
        caption = draw(rng, size=8).caption
        assert len(tokenizer.tokenize(caption)) == len(caption.replace(",", " ,").split()), caption


def test_unknown_words_keep_their_letters(tokenizer: CLIPTokenizer) -> None:
    ids = tokenizer("Xylophone ünïcode 42!")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == "xylophoneünïcode42!"


def test_ids_are_padded_to_the_length_that_other_programs_assume(tokenizer: CLIPTokenizer) -> None:
    ids = token_ids(tokenizer, ["a red house under a night sky", ""])
    assert ids.shape == (2, LENGTH)
    assert int(ids.max()) == len(tokenizer) - 1 == int(ids[0, -1])


def test_the_folder_needs_no_other_program(tmp_path: Path) -> None:
    load_tokenizer(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert {"vocab.json", "merges.txt"} <= {p.name for p in tmp_path.iterdir()}
    assert again.model_max_length == LENGTH
