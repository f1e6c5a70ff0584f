"""Limits that worker processes keep."""

# Of one function.
MEMORY_LIMIT_BYTES = 16 << 20
STACK_LIMIT_BYTES = 256 << 10
OUTPUT_LIMIT_BYTES = 64 << 10
LINES_LIMIT = 50
LINE_LENGTH = 500
DETAIL_LENGTH = 500
CALLS_LIMIT = 10_000
LOAD_LIMIT_S = 0.05

# Of one process.
CONTEXTS_LIMIT = 256
PROCESS_MEMORY_LIMIT_BYTES = 384 << 20
KEPT_BYTES = 1 << 20
LOOKS_COUNT = 8  # calls from one look at the memory to the next
ADDRESS_SPACE_LIMIT_BYTES = 1 << 30
DESCRIPTORS_LIMIT = 32
HELD_MAX_NS = 2_000_000  # an answer that is ready waits this long for others at most
HELD_MAX_LENGTH = 1 << 20
