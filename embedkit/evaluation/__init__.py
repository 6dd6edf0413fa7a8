"""How good it is, as numbers: on the user's own data, with how sure they are."""
