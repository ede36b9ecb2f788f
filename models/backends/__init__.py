"""The systems' backends behind one small interface, and the decoding that they share."""
