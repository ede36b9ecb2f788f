"""Fake quantization that computes what the export's 8da4w scheme will compute.

Quantization-aware training [1]_ rounds weights and activations in the forward pass and lets the
gradient pass as if it had not (straight-through estimator [2]_). torchao's own weight fake
quantizer takes the scale from a group's largest weight; the export takes the scale that leaves the
least squared error ("HQQ, scale only"), so a weight fake quantizer of that kind is put into
torchao's layers here. LoRA matrices are rounded together with the weight that they change, because
that is what is merged and exported; PEFT's own forward would add them unrounded.

References
----------
.. [1] Jacob B. et al. (2018). Quantization and training of neural networks for efficient
   integer-arithmetic-only inference. CVPR.
.. [2] Bengio Y., Leonard N., Courville A. (2013). Estimating or propagating gradients through
   stochastic neurons for conditional computation. arXiv:1308.3432.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torchao.quantization import (
    Int8DynamicActivationIntxWeightConfig,
    IntxWeightOnlyConfig,
    quantize_,
)
from torchao.quantization.granularity import PerAxis, PerGroup
from torchao.quantization.qat import IntxFakeQuantizeConfig
from torchao.quantization.qat.embedding import FakeQuantizedEmbedding
from torchao.quantization.qat.linear import FakeQuantizedLinear
from torchao.quantization.quant_primitives import MappingType
from torchao.quantization.quantize_.workflows import IntxUnpackedToInt8Tensor
from torchao.quantization.quantize_.workflows.intx.intx_choose_qparams_algorithm import (
    IntxChooseQParamsAlgorithm,
)

WEIGHT_TYPE: torch.dtype = getattr(torch, "int4")  # noqa: B009  # torch does not list it
EMBEDDING_TYPE = torch.int8
_HQQ = IntxChooseQParamsAlgorithm.HQQ_SCALE_ONLY


def rounded_as_exported(weight: torch.Tensor, dtype: torch.dtype, group_size: int) -> torch.Tensor:
    """A weight after the export's quantization, as floating point of the same shape.

    Parameters
    ----------
    weight : torch.Tensor, shape (out, in)
    dtype : torch.int4 or torch.int8
    group_size : int
        Neighbouring weights of a row that share a scale; must divide ``in``.
    """
    quantized = IntxUnpackedToInt8Tensor.from_hp(
        weight.detach(),
        (1, group_size),
        dtype,
        mapping_type=MappingType.SYMMETRIC,
        intx_choose_qparams_algorithm=_HQQ,
    )
    rounded: torch.Tensor = quantized.dequantize()
    return rounded


class _StraightThrough(torch.autograd.Function):
    """Another value in the forward pass, the gradient of the original in the backward pass."""

    @staticmethod
    def forward(_ctx: Any, _value: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
        return rounded

    @staticmethod
    def backward(_ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


class ExportedWeightFakeQuantizer(torch.nn.Module):
    """Rounds a weight as the export does; a frozen weight only once."""

    def __init__(self, dtype: torch.dtype, group_size: int) -> None:
        super().__init__()
        self.dtype = dtype
        self.group_size = group_size
        self.enabled = False
        self._frozen: torch.Tensor | None = None

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The rounded weight, same shape and dtype; the weight itself while not enabled."""
        if not self.enabled:
            return weight
        if weight.requires_grad:
            rounded = rounded_as_exported(weight, self.dtype, self.group_size)
            result: torch.Tensor = _StraightThrough.apply(weight, rounded)  # type: ignore[no-untyped-call]
            return result
        if self._frozen is None:
            self._frozen = rounded_as_exported(weight, self.dtype, self.group_size)
        return self._frozen


class MergedLoraLinear(LoraLinear):  # type: ignore[misc]  # peft has no types
    """A LoRA layer whose merged weight is fake-quantized, as the export rounds it."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Output of the layer, shape (..., out)."""
        base = self.get_base_layer()
        quantizer = base.weight_fake_quantizer
        if not quantizer.enabled or self.merged or self.disable_adapters:
            output: torch.Tensor = super().forward(x, *args, **kwargs)
            return output
        weight = base.weight
        for adapter in self.active_adapters:
            weight = weight + self.get_delta_weight(adapter)
        if not torch.is_grad_enabled():
            weight = rounded_as_exported(weight, quantizer.dtype, quantizer.group_size)
        else:
            weight = quantizer(weight)
        return torch.nn.functional.linear(base.activation_fake_quantizer(x), weight, base.bias)


def insert_fake_quantizers(model: torch.nn.Module, group_size: int) -> None:
    """Replace linear layers and embeddings by torchao's fake-quantized ones, switched off.

    Quantized are the layers that the export quantizes: every linear layer to 4 bits in groups with
    8-bit dynamic activations per token, every embedding to 8 bits with one scale a row.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place; its weights stay the same tensors, so tied ones stay tied.
    group_size : int
    """
    activations = IntxFakeQuantizeConfig(torch.int8, "per_token", is_symmetric=False)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is torch.nn.Linear and child.in_features % group_size == 0:
                linear = FakeQuantizedLinear.from_linear(child, activations, None)
                linear.weight_fake_quantizer = ExportedWeightFakeQuantizer(WEIGHT_TYPE, group_size)
                setattr(parent, name, linear)
            elif type(child) is torch.nn.Embedding:
                embedding = FakeQuantizedEmbedding.from_embedding(child, None)
                embedding.weight_fake_quantizer = ExportedWeightFakeQuantizer(
                    EMBEDDING_TYPE, child.embedding_dim
                )
                setattr(parent, name, embedding)
    switch_fake_quantization(model, on=False)


def fake_quantizers(model: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """All fake quantizers of a model, of weights and activations."""
    for module in model.modules():
        for name in ("weight_fake_quantizer", "activation_fake_quantizer"):
            found = getattr(module, name, None)
            # A LoRA layer hands on its base layer's attributes.
            if found is not None and not isinstance(module, LoraLinear):
                yield found


def switch_fake_quantization(model: torch.nn.Module, *, on: bool) -> None:
    """Switch all fake quantizers of a model on or off."""
    for quantizer in fake_quantizers(model):
        quantizer.enabled = on  # type: ignore[assignment]  # torch takes every attribute for a tensor


def quantize_as_exported(model: torch.nn.Module, group_size: int) -> None:
    """Quantize a model in place with the configuration that the export's 8da4w uses.

    For measuring what quantization costs without the minutes that an export takes; the model runs
    in torch and gives no gradient.
    """
    quantize_(
        model,
        IntxWeightOnlyConfig(
            weight_dtype=EMBEDDING_TYPE,
            granularity=PerAxis(0),
            intx_choose_qparams_algorithm=_HQQ,
        ),
        filter_fn=lambda module, _name: isinstance(module, torch.nn.Embedding),
    )
    quantize_(
        model,
        Int8DynamicActivationIntxWeightConfig(
            weight_dtype=WEIGHT_TYPE,
            weight_granularity=PerGroup(group_size),
            intx_choose_qparams_algorithm=_HQQ,
        ),
        filter_fn=lambda module, _name: (
            isinstance(module, torch.nn.Linear) and module.in_features % group_size == 0
        ),
    )
