"""Sentence embeddings of the pre-trained encoder: mean pooling and unit length (Reimers and Gurevych, 2019)."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.preprocessing.cache import ContentCache
from components.preprocessing.encoder import encoder_directory
from mediareview.console import console
from mediareview.settings import Settings
from mediareview.text import Normaliser

BATCH_TEXTS = 64
MAX_TOKENS = 128
"""Titles and plots rarely have more; attention costs the square of the length."""
CHUNK_TEXTS = 4096
"""How many new texts are embedded before the results are kept, so that an interrupted run loses little."""


def embed_texts(texts: Sequence[str], settings: Settings) -> NDArray[np.float32]:
    """Return one embedding per text, of unit length, shape ``[n_texts, dimensions]`` (384 for MiniLM).

    Results are cached by content and encoder under ``HOME/features``. New short texts take some 3 ms each on two
    cores.

    Raises:
        MediaReviewError: there is no encoder.
    """
    directory = encoder_directory(settings)
    weights = next(path for path in sorted(directory.iterdir()) if path.suffix in (".safetensors", ".bin"))
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    cache = ContentCache(settings.root / "features" / "embeddings.db", f"embedding-1-{digest}-{MAX_TOKENS}")
    encoder: _Encoder | None = None

    def compute(new: list[str]) -> list[bytes]:
        nonlocal encoder
        encoder = encoder or _Encoder(str(directory), settings.threads)
        return [vector.tobytes() for vector in encoder(new)]

    normaliser = Normaliser()
    normal = [normaliser(text) for text in texts]
    found: list[bytes] = []
    for start in range(0, len(normal), CHUNK_TEXTS):
        with console.status(f"embedding texts: {start:,} of {len(normal):,}"):
            found += cache.map(normal[start : start + CHUNK_TEXTS], compute)
    if not found:
        return np.zeros((0, 0), dtype=np.float32)
    return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in found])


def title_text(title: Mapping[str, Any]) -> str:
    """Return what is embedded of a row of the catalogue: name, year, genres, directors, keywords and plot."""
    year = f" ({title['year']})" if title.get("year") else ""
    parts = [f"{title['title']}{year}", ", ".join(title["genres"]), ", ".join(title["directors"][:2])]
    parts += [", ".join(title.get("keywords") or ()), title.get("plot") or ""]
    return ". ".join(part for part in parts if part)


def embed_titles(titles: Iterable[Mapping[str, Any]], settings: Settings) -> tuple[list[str], NDArray[np.float32]]:
    """Return the media ids of catalogue rows and their embeddings, shape ``[n_titles, dimensions]``."""
    titles = list(titles)
    return [row["media_id"] for row in titles], embed_texts([title_text(row) for row in titles], settings)


class _Encoder:
    """The encoder in PyTorch, with texts sorted by length so that batches carry little padding."""

    def __init__(self, directory: str, threads: int) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(threads)
        self._torch = torch
        self._tokenizer = AutoTokenizer.from_pretrained(directory)
        self._model = AutoModel.from_pretrained(directory).eval()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        torch = self._torch
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors: NDArray[np.float32] = np.zeros((len(texts), self._model.config.hidden_size), dtype=np.float32)
        for start in range(0, len(order), BATCH_TEXTS):
            rows = order[start : start + BATCH_TEXTS]
            batch = self._tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            )
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
                states = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).float()
            pooled = (states.float() * mask).sum(1) / mask.sum(1)
            vectors[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
        return vectors
