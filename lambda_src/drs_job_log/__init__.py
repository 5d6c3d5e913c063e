"""The job log of AWS Elastic Disaster Recovery (DRS): every item of it an event, stored once."""
