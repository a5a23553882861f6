"""One process of the memory bandwidth test: copies a large buffer again and again.

It prints `ready`, waits for a line, so that several begin together, and prints when it began, when it ended, and the bytes
read and written. Started by scaling.py.
"""

import sys
import time


def main():
    seconds, size = float(sys.argv[1]), int(sys.argv[2])
    source, target = memoryview(bytearray(b"x") * size), memoryview(bytearray(b"y") * size)
    print("ready", flush=True)
    sys.stdin.readline()
    begin, copied = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        target[:] = source
        copied += size
    print(begin, time.monotonic(), 2 * copied, flush=True)


if __name__ == "__main__":
    main()
