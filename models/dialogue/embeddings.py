"""Texts as vectors: the mean of a checkpoint's hidden states over the tokens of a message."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.backends.chat_prompt import prompt_tokens
from models.backends.model_files import sha256_of_file, sha256_of_hashes
from models.dialogue.logistic_regression import one_thread

Vectors = NDArray[np.float64]

# What the vectors depend on; a changed card or sampling default does not change them.
_PATTERNS = (
    "config.json",
    "*.safetensors",
    "tokenizer*",
    "*.jinja",
    "*.model",
    "vocab*",
    "merges*",
)
# Weights; below this, a second thread costs more than it gives.
_SMALL = 30_000_000


def embedding_files(checkpoint: Path) -> dict[str, str]:
    """SHA-256 by name of the files that decide what a text's vector is."""
    found = {path for pattern in _PATTERNS for path in checkpoint.glob(pattern) if path.is_file()}
    return {path.name: sha256_of_file(path) for path in sorted(found)}


class Embedder:
    """Reads a checkpoint's hidden states, in fp32, on this machine only.

    Parameters
    ----------
    checkpoint : Path
        Folder with ``config.json``, safetensors, tokenizer and chat template.

    Raises
    ------
    ModelError
        When the checkpoint cannot be loaded.
    """

    def __init__(self, checkpoint: Path) -> None:
        from models.backends.transformers_backend import load_checkpoint

        self.checkpoint = checkpoint
        self.files_sha256 = embedding_files(checkpoint)
        self._tokenizer, self._model = load_checkpoint(checkpoint, "fp32")
        self._is_small = self._model.num_parameters() < _SMALL
        self._longest = int(getattr(self._model.config, "max_position_embeddings", None) or 2048)

    @property
    def sha256(self) -> str:
        """One hash for all files that decide what a text's vector is."""
        return sha256_of_hashes(self.files_sha256)

    def vectors(self, text: str) -> Vectors:
        """Vectors of one message, one for each layer.

        The message stands in the chat template as a user's turn up to where a reply would begin,
        because that is what the model was trained to read. Of a message longer than the context,
        the end is read.

        Returns
        -------
        array, shape (layers + 1, width)
            Row 0 is the mean of the token embeddings, the last row that of the last layer.
        """
        import torch

        tokens = prompt_tokens(self._tokenizer, [{"role": "user", "content": text}])
        ids = torch.tensor([tokens[-self._longest :]], dtype=torch.long)
        with torch.inference_mode(), one_thread() if self._is_small else nullcontext():
            # The body without its output layer: no logits are needed.
            states = self._model.base_model(input_ids=ids, output_hidden_states=True).hidden_states
            means = torch.stack([layer[0].mean(0) for layer in states])
        return np.asarray(means.to(torch.float64).numpy())
