import sys
from pathlib import Path

n, row = int(sys.argv[2]), " ".join(["0.123456"] * 200)
with Path(sys.argv[1]).open("w", encoding="utf-8") as stream:
    stream.write(f"{n} 200\n")
    for i in range(n):
        stream.write(chr(0x4E00 + i % 5000) + chr(0x4E00 + i // 5000) + " " + row + "\n")
