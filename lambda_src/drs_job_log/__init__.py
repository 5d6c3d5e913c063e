"""The job log of AWS Elastic Disaster Recovery (DRS) as events: collected, stored, linked and served."""

import gc

# Imports create many objects but no garbage. With the default threshold, garbage collection takes 15 % of a cold start.
gc.set_threshold(200_000, 10, 10)
