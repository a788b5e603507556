package launch

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory returns a process's resident anonymous memory in bytes, so without the pages of its binary: RssAnon
// of proc_pid_status(5). It works only on Linux.
func Memory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, value, ok := strings.Cut(string(text), "RssAnon:")
	if !ok { // it is a zombie
		return 0, fmt.Errorf("process %d has no memory", pid)
	}
	kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
	return kib << 10, err
}
