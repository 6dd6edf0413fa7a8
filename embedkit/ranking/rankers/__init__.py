"""Rankers: each gives every candidate a score."""
