"""What builds, runs and checks the project, beside the project itself."""
