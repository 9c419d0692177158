"""What the operator costs, beside a bare client that does the same writes on the same cluster."""
