"""The grammar of the demo dialogues: one file per topic, one for what the topics share."""
