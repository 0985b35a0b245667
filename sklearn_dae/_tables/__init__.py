"""Tables of the user, and their conversion to cells and back."""
