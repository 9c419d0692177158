"""The Theazo operator: gives each agent the secrets that it declared, and nothing else."""
