"""Questions with answers known by construction, and the score of whoever answers them."""
