"""Tables as people have them: columns, and their values as a network takes them."""
