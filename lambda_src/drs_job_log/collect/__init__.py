"""The collector: reads the DRS job log and puts new items on the event bus."""
