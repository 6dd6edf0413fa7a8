"""Prompts as templates: files that say what a generator is told, and what it may answer."""
