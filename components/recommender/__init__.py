"""The recommender: a blend of EASE, iALS, an autoencoder and content, with its baselines."""
