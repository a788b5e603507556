"""Runs a command in a terminal of its own: terminal.py COLS ROWS COMMAND...

Each line of standard input is JSON, {"keys": TEXT} to type or {"size": [COLS, ROWS]}.
What the command writes to the terminal is dropped. At the end of standard input the
terminal is closed and the command killed.
"""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios


def resize(fd, cols, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


own_stderr = os.dup(2)
pid, master = pty.fork()
if pid == 0:
    os.dup2(own_stderr, 2)
    os.close(own_stderr)
    resize(0, int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
os.close(own_stderr)

rest = b""
reading = [0, master]
while 0 in reading:
    for fd in select.select(reading, [], [])[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:  # Linux's end of a terminal
            data = b""
        if not data:
            reading.remove(fd)
        elif fd == 0:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                try:
                    if "size" in order:
                        resize(master, *order["size"])
                    else:
                        os.write(master, order["keys"].encode())
                except OSError:  # it has ended
                    pass
os.close(master)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
