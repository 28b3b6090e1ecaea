"""DECLARED: the fleet that the inventory describes."""
