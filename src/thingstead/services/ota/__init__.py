"""Upgrades of firmware: versions and their files, downloads, rollouts, and answers to devices that ask."""
