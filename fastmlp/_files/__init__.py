"""The container of the model files."""
