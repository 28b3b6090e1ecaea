"""The embedded lab: a name server and simulated hosts, conforming and broken."""
