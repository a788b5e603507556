package server

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// costVariable is the environment variable that makes the test binary run as the command that it
	// names.
	costVariable = "COST_CHILD"
	// costRing is the ring of the wsruns that run one. The command fills it.
	costRing = 24 << 20
	// costBeat is how often a live stream has another line, which says when it was written.
	costBeat = 50 * time.Millisecond
)

// costLine holds a line of about 240 bytes for each command: for a log in colours, for a program that
// fills the screen after such a log, and for characters that take six times as much room in JSON.
var costLine = map[string]string{
	"lines":    strings.Repeat("\x1b[32mok \x1b[1;31mnot ok\x1b[m ", 10) + "\n",
	"full":     strings.Repeat("\x1b[32mok \x1b[1;31mnot ok\x1b[m ", 10) + "\n",
	"controls": strings.Repeat("\x01\x02\x1f", 80) + "\n",
}

// runCostChild fills the ring, and then says what time it is, for as long as it may.
func runCostChild(command string) {
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for line, n := costLine[command], 0; n < costRing+costRing/8; n += len(line) {
		out.WriteString(line)
	}
	begin, end := "", "\n"
	if command != "lines" {
		begin, end = "\x1b[H", "\x1b[K"
		out.WriteString("\x1b[?1049h\x1b[2J")
	}
	for {
		fmt.Fprintf(out, "%s%s%s", begin, costStamp(), end)
		if out.Flush() != nil {
			return
		}
		time.Sleep(costBeat)
	}
}

// costStamp returns text that holds the time.
func costStamp() string { return fmt.Sprintf("ts=%d.", time.Now().UnixNano()) }
