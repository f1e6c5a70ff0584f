"""The device plane over HTTP: devices report and read, with their own certificate (wire reference §2.2, §4.1)."""
