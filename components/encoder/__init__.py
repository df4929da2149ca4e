"""Fine-tuning of a pre-trained encoder to classify texts, and its export to ONNX."""
