"""Summaries: candidates are drawn, those not to be trusted rejected, and the rest ranked."""
