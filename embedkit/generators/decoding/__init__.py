"""How tokens are chosen: what a model gives each, what is cut away, what was drawn."""
