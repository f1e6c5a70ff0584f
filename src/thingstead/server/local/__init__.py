"""The local socket of a data folder: commands on this machine call the Project API and look after the installation."""
