"""The demo model: the grammar of its dialogues, a file per topic, its tokenizer, training and card."""
