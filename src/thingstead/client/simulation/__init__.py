"""Simulated devices with plausible signals, for trials and demonstrations (``thingstead simulate``)."""
