"""Small tools without a room of their own."""
