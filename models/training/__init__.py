"""Training of the systems' models: published recipes on transformers' Trainer, PEFT and torchao."""
