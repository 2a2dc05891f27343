"""A fitted model as plain data, and its losses."""
