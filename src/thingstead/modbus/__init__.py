"""Modbus RTU and TCP without I/O: bytes ↔ frames ↔ values of registers.

Sources: Modbus Application Protocol V1.1b3, Modbus over serial line V1.02, Modbus Messaging on TCP/IP V1.0b.
"""
