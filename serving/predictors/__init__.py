"""The model server: ``python -m serving.predictors`` serves one artifact over KServe's V1 and V2 protocols."""
