"""What tests share: references, models, wrong calls, damaged files."""
