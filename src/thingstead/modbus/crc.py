"""CRC-16 of Modbus over serial line V1.02, §6.2.2."""

POLYNOMIAL = 0xA001
INITIAL = 0xFFFF


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ POLYNOMIAL if byte & 1 else byte >> 1
    return byte


_TABLE = tuple(_entry(byte) for byte in range(256))


def crc16(frame: bytes) -> int:
    """The CRC of bytes; it follows them with its low byte first. Of a frame with its CRC it is 0."""
    crc = INITIAL
    table = _TABLE
    for byte in frame:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc
