"""Fake quantization against what the export quantizes. Oracle: ExecuTorch's own quantizer."""

from __future__ import annotations

from typing import Any

import pytest

from models.library_noise import library_noise_kept_out

pytestmark = [
    pytest.mark.offline_model,
    # Of executorch and torchao when they are imported.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def libraries() -> None:
    import warnings

    with library_noise_kept_out(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import executorch.examples.models.llama.source_transformation.quantize  # noqa: F401

        import models.training.fake_quantization  # noqa: F401


def tiny_model(seed: int = 1) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


TOKENS = [[1, 4, 90, 7, 50, 33, 33, 9, 12, 64]]


def test_weights_are_rounded_as_executorch_rounds_them() -> None:
    import torch
    from executorch.examples.models.llama.source_transformation.quantize import quantize

    from models.training.fake_quantization import rounded_as_exported

    model = tiny_model()
    before = {n: m.weight.detach().clone() for n, m in model.named_modules() if "proj" in n}
    quantize(model, "8da4w", group_size=32)
    for name, weight in before.items():
        exported = model.get_submodule(name).weight.dequantize()
        assert torch.equal(rounded_as_exported(weight, torch.int4, 32), exported), name
        # At most 16 values in a group, and not the weight itself.
        assert len(exported[0, :32].unique()) <= 16
        assert not torch.equal(weight, exported)


def test_switched_on_the_model_computes_what_the_quantized_model_computes() -> None:
    import torch

    from models.training.fake_quantization import (
        insert_fake_quantizers,
        quantize_as_exported,
        switch_fake_quantization,
    )

    tokens = torch.tensor(TOKENS)
    with torch.no_grad():
        plain = tiny_model()(input_ids=tokens).logits
        quantized = tiny_model()
        quantize_as_exported(quantized, 32)
        fake = tiny_model().requires_grad_(False)
        insert_fake_quantizers(fake, 32)
        assert fake.lm_head.weight is fake.model.embed_tokens.weight
        assert torch.equal(fake(input_ids=tokens).logits, plain)
        switch_fake_quantization(fake, on=True)
        logits = fake(input_ids=tokens).logits
    torch.testing.assert_close(logits, quantized(input_ids=tokens).logits, rtol=0, atol=0)
    assert (logits - plain).abs().max() > 0.01


def lora_model() -> Any:
    import torch

    from models.training.fake_quantization import switch_fake_quantization
    from models.training.model_loading import with_lora
    from models.training.recipes import training_settings

    model = with_lora(tiny_model(), training_settings("emosapp", {"rank": 4}))
    torch.manual_seed(2)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    switch_fake_quantization(model, on=True)
    return model


def test_lora_is_rounded_merged_and_learns_through_the_rounding() -> None:
    # Oracle: PEFT's own merge, then the export's quantization of the merged model.
    import torch

    from models.training.fake_quantization import quantize_as_exported

    tokens = torch.tensor(TOKENS)
    model = lora_model()
    output = model(input_ids=tokens, labels=tokens)
    output.loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert len(gradients) == 2 * 4 * 2
    assert all(g is not None and g.abs().sum() > 0 for g in gradients.values())

    plain = tiny_model()
    weights = {n.replace("base_model.model.", ""): p for n, p in model.named_parameters()}
    with torch.no_grad():
        for name, module in plain.named_modules():
            if f"{name}.lora_A.default.weight" in weights:
                a, b = (weights[f"{name}.lora_{part}.default.weight"] for part in "AB")
                module.weight += 32 / 4 * (b @ a)
        quantize_as_exported(plain, 32)
        expected = plain(input_ids=tokens).logits
    torch.testing.assert_close(output.logits, expected, rtol=1e-4, atol=1e-4)


def test_the_straight_through_gradient_is_that_of_the_rounded_output() -> None:
    # By hand: y = x Q(w), so dy/dw passes as x, wherever w was rounded to.
    import torch

    from models.training.fake_quantization import ExportedWeightFakeQuantizer

    quantizer = ExportedWeightFakeQuantizer(torch.int4, 32)
    weight = torch.randn(3, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert quantizer(weight) is weight
    quantizer.enabled = True
    x = torch.arange(32.0)
    (quantizer(weight) @ x).sum().backward()
    torch.testing.assert_close(weight.grad, x.expand(3, 32))


def test_the_loss_rounded_in_torch_is_that_of_the_shipped_offline_file() -> None:
    # Oracle: the perplexities that `quantize --verify` measured with ExecuTorch's runtime on the
    # same dialogues, as the shipped manifest has them. Rounding costs 0.0022 there.
    import math

    from models.demo.corpus import draw_dialogues
    from models.offline.export import read_manifest
    from models.shipped import shipped_path
    from models.training.conversation_data import Conversation
    from models.training.measuring import stored_loss

    parity = read_manifest(shipped_path("demo-tuned.pte")).parity
    assert parity is not None
    turns = [
        [m for m in dialogue.messages if m["role"] != "system"][:2]
        for dialogue in draw_dialogues("supportive", parity["texts"], 700_001)
    ]
    data = [Conversation(tuple(pair), {}) for pair in turns]
    for group_size, measured in ((None, "perplexity_checkpoint"), (32, "perplexity_file")):
        loss = stored_loss(shipped_path("demo-tuned"), data, group_size=group_size)
        assert math.exp(loss) == pytest.approx(parity[measured], abs=3e-4), measured
