"""Train a network to undo the corruption of its rows."""
