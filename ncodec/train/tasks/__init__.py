"""The networks that the trainer trains, one module each; `registry` has them by the name that a recipe gives."""
