"""What is drawn on a rater's page: items, rankings, marked parts, texts and the card that holds them."""
