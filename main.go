// Wsrun runs a command under a pseudo-terminal, or reads a pipe, and broadcasts
// the output to any number of viewers.
//
//	wsrun [flags] COMMAND [ARG...]
//	make 2>&1 | wsrun [flags]
//
// The command behaves as it would without wsrun: its output appears in the
// terminal, it gets the keys, and its exit status is wsrun's. Meanwhile a browser at
// http://127.0.0.1:9000/, or any WebSocket or HTTP client there, gets the last lines
// of the output and then everything that follows, live.
//
// The first word of the command ends wsrun's flags. Each flag can also be set in the
// environment, for example --addr as WSRUN_ADDR; wsrun --help lists them.
//
// The exit status is the command's own; 128+n if signal n ended it; 127 if the
// command was not found; 126 if it can't be executed; and 125 if wsrun itself failed,
// which only happens before the command starts. wsrun passes INT, TERM, HUP, QUIT,
// USR1 and USR2 on to the command's process group. Ten seconds after the first INT or
// TERM, or at once at a second INT, the group gets KILL.
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
