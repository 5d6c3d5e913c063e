"""The job log of AWS Elastic Disaster Recovery (DRS): every item of it an event, stored once."""

import gc

# While modules and botocore's models load, nothing is garbage: to look for it took a seventh of a cold start. With so
# many objects more than ever were needed for that, it is looked for again.
gc.set_threshold(200_000, 10, 10)
