"""Dependent quantisation (format.md, section 2.1): what both layers share. numpy only; integers choose tables.

Two quantisers take turns, and the parity of every symbol tells which comes next. States of even number use the *even*
quantiser, the multiples of its step, those of odd number the *odd* one, the odd multiples of half of it. An encoder
that chooses among the paths has the points of both, as if the step were half as long, and pays for one (Marcellin and
Fischer 1990, trellis-coded quantisation; Schwarz et al. 2019, dependent quantisation in VVC).
"""
