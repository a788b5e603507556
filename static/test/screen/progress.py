"""Progress as builds show it: one bar, then several lines that are redrawn."""
import shutil
import sys
import time

width = shutil.get_terminal_size().columns
out = sys.stdout


def pause():
    out.flush()
    time.sleep(0.01)


for n in range(1, 41):
    out.write(f"\r\x1b[K\x1b[1m\x1b[32m   Compiling\x1b[0m crate-{n} v0.{n}.1\r\n")
    filled = (width - 30) * n // 40
    out.write(f"\x1b[1m\x1b[36m    Building\x1b[0m [{'=' * filled}>{' ' * (width - 30 - filled)}] {n}/40")
    pause()
out.write("\r\x1b[K\x1b[1m\x1b[32m    Finished\x1b[0m release [optimized]\r\n")

layers = 6
out.write("\x1b[?25l" + "".join(f"layer-{i:02}: \x1b[33mWaiting\x1b[39m\r\n" for i in range(layers)))
for n in range(60):
    i = n * 7 % layers
    up = layers - i
    part = min(n * 20 // 60 + i, 20)
    out.write(f"\x1b[{up}A\x1b[2K\rlayer-{i:02}: \x1b[38;5;{39 + i}mDownloading\x1b[0m [{'█' * part}{'░' * (20 - part)}] {n * 1.7:.1f} MB\x1b[{up}B\r")
    pause()
    if n % 10 == 9:
        out.write(f"\x1b[{layers}A" + "".join(f"\x1b[2Klayer-{j:02}: \x1b[3;9;2mExtracting\x1b[0m {n} %\r\n" for j in range(layers)))
out.write("\x1b[?25hdone\r\n")
