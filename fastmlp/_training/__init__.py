"""The training floor: it takes a plan and writes a record."""
