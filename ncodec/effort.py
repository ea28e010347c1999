"""How long an encoder searches for better latents (`ncodec.refine`): what can be asked for, known without torch."""

ROUNDS = (0, 20, 40, 120)
"""Rounds of the search, by effort; 0 takes the latents as the analysis transform gives them."""
EFFORTS = len(ROUNDS) - 1
"""The highest effort."""
