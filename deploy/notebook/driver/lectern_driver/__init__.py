"""What runs in the sealed container of one submission; see docs/grading.md."""
