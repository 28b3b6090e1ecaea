"""The capturing SMTP server that stands in for a receiver. It knows no other part of the package."""
