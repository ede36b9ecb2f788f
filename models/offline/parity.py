"""How far an offline file is from the checkpoint that it was made from, measured on held-out text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.backends.adapter import with_adapter
from models.backends.transformers_backend import load_checkpoint
from models.demo.corpus import draw_dialogues
from models.offline.export import (
    Manifest,
    file_sha256,
    hashes_of_adapter,
    manifest_path,
    read_manifest,
    tokenizer_folder,
)
from models.offline.runtime import OfflineRuntime
from models.offline.weights import open_checkpoint
from models.training.conversation_data import read_conversations
from study.errors import Finding, ModelError

Progress = Callable[[str, float], None]
Messages = list[dict[str, str]]
LogProbabilities = NDArray[np.float64]

# Not the seed of the training or of its held-out loss.
_TEXT_SEED = 700_001
_WORST_SHOWN = 5
# Share of positions at which file and checkpoint expect the same token most.
LEAST_AGREEMENT = 0.9


@dataclass(frozen=True)
class Regression:
    """One token that the offline file expects much less than the checkpoint does."""

    before: str
    token: str
    lost_nats: float


@dataclass(frozen=True)
class Parity:
    """An offline file held against its checkpoint (in fp32) on the same replies.

    Attributes
    ----------
    texts, tokens : int
        Dialogues, and tokens of their replies.
    top1_agreement : float
        Share of positions where both expect the same token most, 0 to 1.
    mean_kl_nats : float
        Mean of KL(checkpoint || file) over the positions, in nats, 0 or more:
        sum over the vocabulary of p (log p - log q).
    perplexity_checkpoint, perplexity_file : float
        exp of the mean negative log probability of the tokens that came, 1 or more.
    regressions : tuple of Regression
        The tokens that lost most probability, worst first.
    """

    texts: int
    tokens: int
    top1_agreement: float
    mean_kl_nats: float
    perplexity_checkpoint: float
    perplexity_file: float
    regressions: tuple[Regression, ...]


def log_softmax(logits: Any) -> LogProbabilities:
    """Log probabilities along the last axis, in double precision."""
    values: LogProbabilities = np.asarray(logits, dtype=np.float64)
    shifted: LogProbabilities = values - values.max(axis=-1, keepdims=True)
    result: LogProbabilities = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


@dataclass(frozen=True)
class TextComparison:
    """Both models' log probabilities on one text, per predicted token."""

    agree: NDArray[np.bool_]
    kl: LogProbabilities
    checkpoint: LogProbabilities
    file: LogProbabilities


@dataclass(frozen=True)
class HeldOutText:
    """A dialogue of one turn as tokens; the reply begins at token ``reply_start``."""

    tokens: tuple[int, ...]
    reply_start: int


def compare_logits(text: HeldOutText, checkpoint: Any, file: Any) -> TextComparison:
    """Compare the logits of two models on the reply of one text.

    Parameters
    ----------
    text : HeldOutText
        With n tokens.
    checkpoint, file : arrays, shape (n, vocabulary)
        Row ``i`` predicts token ``i + 1``.
    """
    rows = slice(text.reply_start - 1, -1)
    p, q = log_softmax(checkpoint)[rows], log_softmax(file)[rows]
    came = np.asarray(text.tokens[text.reply_start :], dtype=np.int64)[:, None]
    return TextComparison(
        agree=p.argmax(-1) == q.argmax(-1),
        kl=(np.exp(p) * (p - q)).sum(-1),
        checkpoint=np.take_along_axis(p, came, -1)[:, 0],
        file=np.take_along_axis(q, came, -1)[:, 0],
    )


def summarize(
    texts: Sequence[HeldOutText],
    comparisons: Sequence[TextComparison],
    decode: Callable[[list[int]], str],
) -> Parity:
    """One table from the comparisons of all texts."""
    worst = sorted(
        (
            (float(part.checkpoint[at] - part.file[at]), row, at)
            for row, part in enumerate(comparisons)
            for at in range(len(part.kl))
        ),
        reverse=True,
    )[:_WORST_SHOWN]
    together = {
        name: np.concatenate([getattr(part, name) for part in comparisons])
        for name in ("agree", "kl", "checkpoint", "file")
    }
    return Parity(
        texts=len(texts),
        tokens=len(together["kl"]),
        top1_agreement=float(together["agree"].mean()),
        mean_kl_nats=float(together["kl"].mean()),
        perplexity_checkpoint=math.exp(-float(together["checkpoint"].mean())),
        perplexity_file=math.exp(-float(together["file"].mean())),
        regressions=tuple(
            Regression(
                before=decode(list(texts[row].tokens[: texts[row].reply_start + at]))[-60:],
                token=decode([texts[row].tokens[texts[row].reply_start + at]]),
                lost_nats=round(lost, 4),
            )
            for lost, row, at in worst
        ),
    )


def demo_exchanges(count: int) -> list[Messages]:
    """A message and its reply each, of the demo grammar, drawn with a seed that no training uses."""
    return [
        [dict(message) for message in dialogue.messages if message["role"] != "system"][:2]
        for dialogue in draw_dialogues("supportive", count, _TEXT_SEED)
    ]


def exchanges_of_file(path: Path, count: int) -> list[Messages]:
    """The first message and reply (and what a system message says) of a file's conversations.

    Parameters
    ----------
    path : Path
        Conversations in Alpaca, ShareGPT or ESConv form.
    count : int
        The first so many conversations are taken.

    Raises
    ------
    ModelError
        When the file cannot be read as conversations.
    """
    exchanges = []
    for conversation in read_conversations(path).conversations[:count]:
        first_reply = next(
            at for at, said in enumerate(conversation.messages) if said["role"] == "assistant"
        )
        exchanges.append([dict(said) for said in conversation.messages[: first_reply + 1]])
    return exchanges


def held_out_texts(
    tokenizer: Any, exchanges: Sequence[Messages], longest: int
) -> list[HeldOutText]:
    """Exchanges in the model's own chat format, cut off at ``longest`` tokens.

    An exchange whose message alone is that long is left out.

    Raises
    ------
    ModelError
        When the template writes a prompt that is not the beginning of the whole exchange.
    """
    texts = []
    for exchange in exchanges:
        prompt = tokenizer.apply_chat_template(
            exchange[:-1], tokenize=False, add_generation_prompt=True
        )
        whole = tokenizer.apply_chat_template(exchange, tokenize=False)
        tokens = list(tokenizer(whole, add_special_tokens=False)["input_ids"])
        start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        if not whole.startswith(prompt):
            raise ModelError(
                "The chat template writes the prompt and the whole dialogue differently, so the "
                "reply cannot be found in it and parity cannot be measured for this model."
            )
        if start < min(len(tokens), longest):
            texts.append(HeldOutText(tuple(tokens[:longest]), start))
    return texts


def verify(
    checkpoint: Path,
    pte: Path,
    *,
    adapter: Path | None = None,
    tokenizer_dir: Path | None = None,
    held_out: Path | None = None,
    texts: int = 20,
    progress: Progress | None = None,
) -> Manifest:
    """Measure parity and write it into the file's manifest.

    Parameters
    ----------
    checkpoint, adapter : Path
        What the file was made from.
    pte : Path
    tokenizer_dir : Path or None
        None means ``NAME.tokenizer`` beside the file.
    held_out : Path or None
        Conversations in Alpaca, ShareGPT or ESConv form; None means the demo model's grammar.
    texts : int
        Number of exchanges of a message and its reply.
    progress : callable or None
        Gets a message and the share done, 0 to 1.

    Returns
    -------
    Manifest
        With ``parity`` filled in.

    Raises
    ------
    ModelError
        When the file was not made from this checkpoint, one of the two cannot be loaded, or no held-out
        text fits the file's context.
    """
    manifest = read_manifest(pte)
    _refuse_other_checkpoint(manifest, checkpoint, adapter, pte)
    exchanges = demo_exchanges(texts) if held_out is None else exchanges_of_file(held_out, texts)
    model, tokenizer = load_in_fp32(checkpoint, adapter)
    comparisons = []
    with OfflineRuntime(pte, tokenizer_dir or tokenizer_folder(pte)) as runtime:
        # The last position has no room for a next token.
        drawn = held_out_texts(tokenizer, exchanges, runtime.context_length - 1)
        if not drawn:
            raise ModelError(
                f"None of the {len(exchanges)} held-out texts leaves room for a reply in the "
                f"{runtime.context_length} tokens of {pte.name}. Name shorter ones, or quantize with a "
                f"larger --max-seq-len."
            )
        for done, text in enumerate(drawn):
            if progress is not None:
                progress("comparing the file with its checkpoint", done / len(drawn))
            comparisons.append(
                compare_logits(text, _logits(model, text.tokens), runtime.token_logits(text.tokens))
            )
    parity = asdict(summarize(drawn, comparisons, tokenizer.decode))
    source = "the demo model's grammar" if held_out is None else held_out.name
    measured = replace(manifest, parity={"held_out": source} | parity)
    measured.write(manifest_path(pte))
    if progress is not None:
        progress("done", 1.0)
    return measured


def refuse_disagreement(manifest: Manifest) -> None:
    """A measured file that often expects another token than its checkpoint is a finding.

    Raises
    ------
    Finding
        Below :data:`LEAST_AGREEMENT`; the demo model in 4 bits agrees at .977.
    """
    agreement = (manifest.parity or {})["top1_agreement"]
    if not agreement >= LEAST_AGREEMENT:
        raise Finding(
            f"{manifest.file} and its checkpoint expect the same next token at {agreement:.3f} of the "
            f"positions; expected {LEAST_AGREEMENT} or more. Do not use this file in a study: quantize with "
            f"--scheme 8da8w or a smaller --group-size, and name texts of the model's own kind "
            f"(--held-out)."
        )


def _refuse_other_checkpoint(
    manifest: Manifest, checkpoint: Path, adapter: Path | None, pte: Path
) -> None:
    for path in open_checkpoint(checkpoint).weight_files:
        if manifest.inputs.get(path.name) != file_sha256(path):
            raise ModelError(
                f"{pte} was not made from {checkpoint}: the hash of {path.name} is not the one "
                f"in its manifest. Name the checkpoint that it was made from."
            )
    if (None if adapter is None else hashes_of_adapter(adapter)) != manifest.adapter:
        made = "no adapter" if manifest.adapter is None else "an adapter with other hashes"
        named = "none" if adapter is None else adapter
        raise ModelError(
            f"{pte} was made with {made}, and the one named is {named}. Name the adapter that it was "
            f"made with."
        )


def load_in_fp32(checkpoint: Path, adapter: Path | None = None) -> tuple[Any, Any]:
    """A checkpoint in transformers, its adapter beside the weights as PEFT runs it.

    Nothing of the export takes part in it: neither its reading of ``config.json`` nor its merging.

    Returns
    -------
    tuple
        The model in fp32 on the CPU, in evaluation mode, and its tokenizer.

    Raises
    ------
    ModelError
        When one of the two cannot be loaded.
    """
    tokenizer, model = load_checkpoint(checkpoint, "fp32")
    if adapter is not None:
        model = with_adapter(model, checkpoint, adapter)
    return model, tokenizer


def _logits(model: Any, tokens: Sequence[int]) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([list(tokens)])).logits[0].float().numpy()
