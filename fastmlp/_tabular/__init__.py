"""The estimators for tables: raw columns in, a tuned recipe of training."""
