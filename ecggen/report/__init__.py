"""An honest report on anybody's synthetic ECGs: twelve sections, each with its scores, floors and a verdict."""
