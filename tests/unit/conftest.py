from hypothesis import settings

# On a machine that does other things too, a time limit for one example says nothing about the code.
settings.register_profile("theazo", deadline=None)
settings.load_profile("theazo")
