"""Who is online: devices, and sub-devices behind gateways."""
