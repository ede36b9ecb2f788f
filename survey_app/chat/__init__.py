"""Live conversations: where the systems are, their replies, the pace, and the page's addresses."""
