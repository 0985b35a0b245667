"""Convert the tables of users to cells, and cells back to tables."""
