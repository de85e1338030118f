"""The web page of a model and of a run in training, and the REST API behind it. Needs aegan[serve]."""
