"""Long texts in passages: where a text is cut, measured in the tokens of who reads it."""
