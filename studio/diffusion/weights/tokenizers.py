"""Tokenizers of CLIP, T5 and chat models, and where to find their vocabulary.

A tokenizer folder without a vocabulary loads without a word as a tokenizer of two tokens (transformers 5): every tokenizer is
therefore checked against the text encoder that it is for.
"""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

from torch import nn

from studio.diffusion.foreign import Foreign, config_of
from studio.graph.errors import ModelUnreadable

_CLIP_REPOSITORY = "openai/clip-vit-large-patch14"
_T5_REPOSITORY = "google/t5-v1_1-xxl"
_VOCABULARY = 49408
_T5_ROWS = 128
"""T5's embedding is padded to a multiple of 128 rows: 32128 for 32100 tokens."""


def load_tokenizer(folder: Path, component: str, encoder: nn.Module) -> Foreign:
    """The CLIP tokenizer of a folder, for that text encoder. Raises ModelUnreadable where it is missing or of another vocabulary."""
    from transformers import CLIPTokenizer

    return _checked(_load(folder, component, CLIPTokenizer), folder, component, encoder)


def load_t5_tokenizer(folder: Path, component: str, encoder: nn.Module) -> Foreign:
    """The T5 tokenizer of a folder, for that text encoder. Raises ModelUnreadable where it is missing or of another vocabulary."""
    from transformers import T5Tokenizer

    if not (folder / "tokenizer.json").is_file() and (folder / "spiece.model").is_file():
        for package, module in (("sentencepiece", "sentencepiece"), ("protobuf", "google.protobuf")):
            if not _installed(module):
                raise ModelUnreadable(
                    folder,
                    f"A tokenizer of the kind spiece.model needs the package {package}.",
                    field=component,
                    mend=f"Install {package}, or copy the file tokenizer.json of another version of the model into the folder.",
                )
    padded = int(config_of(encoder).vocab_size) % _T5_ROWS == 0
    tokenizer = _load(folder, component, T5Tokenizer)
    return _checked(tokenizer, folder, component, encoder, unused=_T5_ROWS - 1 if padded else 0)


def find_t5_tokenizer(file: Path, given: Path | None, component: str, encoder: nn.Module) -> Foreign:
    """The T5 tokenizer for a single file: in a folder named like the component, inside `given` or beside the file; else in the local
    Hugging Face cache. Raises ModelUnreadable where there is none.
    """
    for folder in (given / component if given is not None else None, file.parent / component):
        if folder is not None and folder.is_dir():
            return load_t5_tokenizer(folder, component, encoder)
    for name in ("tokenizer.json", "spiece.model"):
        if (cached := _hub_cache(_T5_REPOSITORY, name)) is not None:
            return load_t5_tokenizer(cached, component, encoder)
    raise ModelUnreadable(
        file,
        "The file holds a T5 text encoder, and its tokenizer was not found.",
        field=component,
        mend=f"Copy the folder '{component}' of the model's diffusers version beside the file.",
    )


def load_auto_tokenizer(folder: Path, component: str, encoder: nn.Module) -> Foreign:
    """The tokenizer of a language model in a folder, for that text encoder. Raises ModelUnreadable."""
    from transformers import AutoTokenizer

    # Language models keep up to a few hundred rows of their embedding for later.
    rows = int(config_of(encoder).vocab_size) // 100
    return _checked(_load(folder, component, AutoTokenizer), folder, component, encoder, unused=rows)


def load_chat_tokenizer(folder: Path, component: str, encoder: nn.Module) -> Foreign:
    """The tokenizer of a chat model in a folder, for that text encoder. Raises ModelUnreadable, also where it has no chat template."""
    tokenizer = load_auto_tokenizer(folder, component, encoder)
    if not tokenizer.chat_template:
        raise ModelUnreadable(
            folder,
            "The tokenizer has no chat template.",
            field=component,
            mend="Copy chat_template.jinja, or the whole tokenizer_config.json, of the same model.",
        )
    return tokenizer


def _load(folder: Path, component: str, kind: Foreign) -> Foreign:
    try:
        return kind.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        raise ModelUnreadable(
            folder,
            f"The tokenizer cannot be loaded: {error}",
            field=component,
            mend="Copy the model folder again, whole.",
        ) from error


def find_tokenizer(file: Path, given: Path | None, encoder: nn.Module, pad: str | None = None) -> Foreign:
    """The CLIP tokenizer for a single file, which never holds one.

    Looked for in this order: the folder `given`; a folder `tokenizer` beside the file; the vocabulary inside an installed
    open_clip_torch; the local Hugging Face cache. Raises ModelUnreadable where it is nowhere.
    """
    from transformers import CLIPTokenizer

    for folder in (given, file.parent / "tokenizer"):
        if folder is not None and folder.is_dir():
            return load_tokenizer(folder, "tokenizer", encoder)
    if (vocabulary := _open_clip_vocabulary()) is not None:
        extra = {} if pad is None else {"pad_token": pad}
        tokenizer = CLIPTokenizer(**_clip_tables(vocabulary), model_max_length=77, **extra)
        return _checked(tokenizer, vocabulary, "tokenizer", encoder)
    if (cached := _hub_cache(_CLIP_REPOSITORY, "vocab.json", "merges.txt")) is not None:
        return load_tokenizer(cached, "tokenizer", encoder)
    raise ModelUnreadable(
        file,
        "A single file holds no tokenizer, and none was found on this machine.",
        field="tokenizer",
        mend="Copy the folder 'tokenizer' of any Stable Diffusion 1.5 model beside the file, or install the package open_clip_torch.",
    )


def _checked(tokenizer: Foreign, path: Path, component: str, encoder: nn.Module, unused: int = 0) -> Foreign:
    """`unused`: how many rows of the encoder's embedding may be there for nothing."""
    expected = int(config_of(encoder).vocab_size)
    if not expected - unused <= len(tokenizer) <= expected:
        raise ModelUnreadable(
            path,
            f"The tokenizer knows {len(tokenizer)} tokens, its text encoder {expected}.",
            field=component,
            mend="Copy vocab.json and merges.txt (or tokenizer.json) of the same model into the tokenizer's folder.",
        )
    return tokenizer


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that the module is in
        return False


def _open_clip_vocabulary() -> Path | None:
    """The merges file that the open_clip_torch package brings along."""
    found = importlib.util.find_spec("open_clip")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    return path if path.is_file() else None


def _hub_cache(repository: str, *names: str) -> Path | None:
    """The folder of a repository in the local Hugging Face cache; None where one of the files is not there."""
    from huggingface_hub import try_to_load_from_cache

    files = [found for name in names if isinstance(found := try_to_load_from_cache(repository, name), str)]
    return Path(files[0]).parent if len(files) == len(names) else None


def _clip_tables(path: Path) -> dict[str, Foreign]:
    """Vocabulary and merges of CLIP (Radford et al. 2021): bytes, bytes that end a word, merges, two markers."""
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1 : _VOCABULARY - 512 - 2 + 1]]
    symbols = _byte_symbols()
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {"vocab": {token: index for index, token in enumerate(tokens)}, "merges": merges}


def _byte_symbols() -> list[str]:
    """A printable character for every byte, in GPT-2's order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]
