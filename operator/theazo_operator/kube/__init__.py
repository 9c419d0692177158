"""The one edge to the API server: every request of the operator is made here."""
