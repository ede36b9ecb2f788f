"""Parity of an offline file with its checkpoint: hand arithmetic, and the shipped file."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.offline.export import file_sha256, manifest_path, read_manifest, tokenizer_folder
from models.offline.parity import (
    HeldOutText,
    compare_logits,
    demo_exchanges,
    exchanges_of_file,
    held_out_texts,
    log_softmax,
    refuse_disagreement,
    summarize,
    verify,
)
from models.shipped import shipped_path
from study.errors import Finding, ModelError


def test_comparison_by_hand() -> None:
    # Two tokens, vocabulary of two, the reply is the second token (token 1).
    # Checkpoint gives (1/4, 3/4), the file (1/2, 1/2): KL = 1/4 ln(1/2) + 3/4 ln(3/2).
    text = HeldOutText((0, 1), reply_start=1)
    unused = [9.0, -9.0]
    found = compare_logits(text, [*np.log([[0.25, 0.75]]).tolist(), unused], [[0.0, 0.0], unused])
    assert found.kl == pytest.approx([0.25 * math.log(0.5) + 0.75 * math.log(1.5)])
    assert found.checkpoint == pytest.approx([math.log(0.75)])
    assert found.file == pytest.approx([math.log(0.5)])
    assert found.agree.tolist() == [False]  # the file's tie goes to token 0

    table = summarize([text], [found], lambda tokens: "".join("ab"[t] for t in tokens))
    assert (table.texts, table.tokens, table.top1_agreement) == (1, 1, 0.0)
    assert table.perplexity_checkpoint == pytest.approx(4 / 3)
    assert table.perplexity_file == pytest.approx(2.0)
    worst = table.regressions[0]
    assert (worst.before, worst.token, worst.lost_nats) == ("a", "b", round(math.log(1.5), 4))


def test_equal_logits_agree_fully() -> None:
    logits = np.random.default_rng(1).normal(size=(6, 10))
    found = compare_logits(HeldOutText((1, 2, 3, 4, 5, 6), 3), logits, logits + 5.0)
    assert found.agree.all()
    assert len(found.kl) == 3
    assert found.kl == pytest.approx(np.zeros(3), abs=1e-12)


def test_log_softmax_does_not_overflow() -> None:
    assert log_softmax([[1000.0, 1000.0]]) == pytest.approx(np.log([[0.5, 0.5]]))


def test_held_out_replies_begin_where_the_prompt_ends() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shipped_path("demo-tuned"))
    for text in held_out_texts(tokenizer, demo_exchanges(5), 511):
        assert tokenizer.decode(text.tokens[: text.reply_start]).endswith("<|assistant|>")
        assert tokenizer.decode(text.tokens[text.reply_start :]).endswith("<|end|>")


def test_own_conversations_give_their_first_exchange(tmp_path: Path) -> None:
    own = tmp_path / "talks.json"
    talk = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "I cannot sleep."},
        {"role": "assistant", "content": "That sounds tiring."},
        {"role": "user", "content": "It is."},
        {"role": "assistant", "content": "Since when?"},
    ]
    own.write_text(json.dumps([{"messages": talk}, {"messages": talk[1:]}]))
    assert exchanges_of_file(own, 5) == [talk[:3], talk[1:3]]
    assert exchanges_of_file(own, 1) == [talk[:3]]


@pytest.mark.slow
@pytest.mark.offline_model
def test_the_shipped_file_is_close_to_its_checkpoint(tmp_path: Path) -> None:
    # Bounds well outside what was measured (see the model card), well inside what a wrong
    # conversion gives: unpermuted or shuffled weights agree on hardly any token.
    original = shipped_path("demo-tuned.pte")
    pte = tmp_path / original.name
    shutil.copyfile(original, pte)
    shutil.copyfile(manifest_path(original), manifest_path(pte))
    shutil.copytree(tokenizer_folder(original), tokenizer_folder(pte))
    measured = verify(shipped_path("demo-tuned"), pte, texts=6)
    assert measured.parity is not None
    assert measured.parity["top1_agreement"] > 0.85
    assert measured.parity["mean_kl_nats"] < 0.1
    assert measured.parity["perplexity_file"] < 1.2 * measured.parity["perplexity_checkpoint"]
    assert read_manifest(pte).parity is not None
    assert measured.parity["held_out"] == "the demo model's grammar"

    own = tmp_path / "talks.json"
    question = {"role": "user", "content": "I cannot sleep before my exams."}
    answer = {"role": "assistant", "content": "That sounds tiring."}
    own.write_text(json.dumps([{"messages": [question, answer]}]))
    mine = verify(shipped_path("demo-tuned"), pte, held_out=own).parity
    assert mine is not None
    assert (mine["held_out"], mine["texts"]) == ("talks.json", 1)
    own.write_text(json.dumps([{"messages": [question | {"content": "sleep " * 600}, answer]}]))
    with pytest.raises(ModelError, match=r"None of the 1 held-out texts .* 512 tokens"):
        verify(shipped_path("demo-tuned"), pte, held_out=own)

    with pytest.raises(ModelError, match=r"was not made from .*demo-base"):
        verify(shipped_path("demo-base"), pte)


@pytest.mark.offline_model
def test_a_file_that_disagrees_with_its_checkpoint_is_a_finding(tmp_path: Path) -> None:
    # A file whose numbers are wrong: the tuned one, passed off as made from the untuned checkpoint.
    original = shipped_path("demo-tuned.pte")
    pte = tmp_path / original.name
    shutil.copyfile(original, pte)
    shutil.copytree(tokenizer_folder(original), tokenizer_folder(pte))
    manifest = read_manifest(original)
    refuse_disagreement(manifest)
    weights = shipped_path("demo-base") / "model.safetensors"
    swapped = replace(manifest, inputs={weights.name: file_sha256(weights)})
    swapped.write(manifest_path(pte))
    measured = verify(shipped_path("demo-base"), pte, texts=3)
    assert measured.parity is not None
    assert measured.parity["top1_agreement"] < 0.9
    with pytest.raises(
        Finding, match=r"demo-tuned\.pte .*same next token at 0\.\d+ .*0\.9"
    ) as found:
        refuse_disagreement(measured)
    assert found.value.exit_code == 1

    for bad in (math.nan, 0.8999, 0.03):
        with pytest.raises(Finding):
            refuse_disagreement(replace(manifest, parity={"top1_agreement": bad}))
    refuse_disagreement(replace(manifest, parity={"top1_agreement": 0.9}))

    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (adapter / name).write_bytes(b"x")
    with pytest.raises(ModelError, match="made with no adapter, and the one named is"):
        verify(shipped_path("demo-base"), pte, adapter=adapter)


@pytest.mark.offline_model
def test_the_manifest_of_the_shipped_file_holds_its_parity() -> None:
    parity = read_manifest(shipped_path("demo-tuned.pte")).parity
    assert parity is not None
    assert parity["tokens"] > 500
