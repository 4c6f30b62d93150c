"""The story: open a case, follow it up, answer, close. May be killed anywhere."""
