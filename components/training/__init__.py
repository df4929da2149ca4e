"""The steps every training pipeline shares: pin, load, preprocess, train, evaluate."""
