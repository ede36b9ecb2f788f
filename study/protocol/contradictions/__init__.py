"""What within a protocol contradicts itself, by what it is about; each block alone cannot see it."""
