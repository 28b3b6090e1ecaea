"""The records that a domain should publish, as the rules judge them and as their remedies write them."""
