"""JUDGED: one short function a rule, one file an area."""
