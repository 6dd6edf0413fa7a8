"""Small maps learned on top of frozen vectors: search and classification gain, the model stays."""
