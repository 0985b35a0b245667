"""Networks from cells to cells, and what they compute for rows."""
