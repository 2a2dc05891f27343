"""Tables of every kind, their columns as a network takes them, and fitted models."""
