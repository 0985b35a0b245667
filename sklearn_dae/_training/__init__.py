"""Training of a network that repairs corrupted rows."""
