"""The tables of alarms: rules, alarms with their messages, and what people do to them."""
