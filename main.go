// Wsrun runs a command under a pseudo-terminal, or reads a pipe, and broadcasts
// the output to any number of viewers.
//
//	wsrun [flags] COMMAND [ARG...]
//	make 2>&1 | wsrun [flags]
//
// The command behaves as it would without wsrun: its output appears in the
// terminal, keys reach it, and its exit status is wsrun's. Meanwhile a browser at
// http://127.0.0.1:9000/, or any WebSocket or HTTP client there, gets the last
// lines of the output, and then all that follows, as it comes.
//
// Flags end at the first word of the command. Each can also be given in the
// environment, as WSRUN_ADDR for --addr; wsrun --help lists them.
//
// Wsrun exits with the command's status; 128+n if signal n ended it; 127 if the
// command was not found; 126 if it can't be executed; 125 if wsrun itself failed,
// which is always before the command starts. INT, TERM, HUP, QUIT, USR1 and USR2
// are passed on to the command's process group. Ten seconds after the first INT
// or TERM the group gets KILL, and at once at a second INT.
package main

import (
	"os"

	"wsrun/cli"
)

// version is set by the linker.
var version = "devel"

func main() {
	os.Exit(cli.Main(version))
}
