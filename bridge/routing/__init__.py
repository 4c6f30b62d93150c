"""The admins' YAML becomes a decision, and words."""
