"""TOLD: results, page and terminal."""
