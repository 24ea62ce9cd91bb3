"""How generated ECGs are judged: one file per kind of score, all of them pure functions on arrays."""
