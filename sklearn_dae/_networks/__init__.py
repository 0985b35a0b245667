"""Neural networks, and the features and predictions that they compute."""
