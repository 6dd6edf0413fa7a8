"""Classification of texts: features, heads, calibration, and what they do not know."""
