"""Enhancement layer: what the input has beyond the decoded base layer <-> bytes. numpy only; integers choose tables.

One picture: `sample` its residual, `choose` its `Params` (or None: no layer), `encode_slice` every slice of it. They
say by how much they lower the squared error; a layer whose bytes cost more than that is worth is left out. A decoder
needs the params, the slices, and the tables of the model.
"""
