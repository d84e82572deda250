"""How many examples hypothesis tries: ``--hypothesis-profile=thorough`` tries twenty times as many."""

from hypothesis import HealthCheck, settings

# The machines that run the tests are shared: how long an example takes says nothing.
settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=2000)
settings.load_profile("quick")
