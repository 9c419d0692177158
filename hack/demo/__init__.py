"""The main job as a story, on a real cluster: see __main__.py."""
