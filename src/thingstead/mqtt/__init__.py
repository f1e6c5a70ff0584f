"""MQTT 3.1, 3.1.1 and 5.0 without I/O: bytes, packets, session state. Imports nothing but the standard library.

Chapter numbers are those of the OASIS standard MQTT 5.0 where no other version is named; ``[MQTT-x.y.z-n]`` is a
normative statement of it, and ``grep -r MQTT-`` lists those that the code holds to.
"""
