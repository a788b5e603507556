package cli

import (
	"errors"
	"fmt"
	"strconv"
)

const (
	// spareFiles is how many open files are reserved for everything but viewers:
	// wsrun's own (docs/facts.md, cli), short requests, and requests whose headers are
	// still being read.
	spareFiles = 128
	// spareFollowed is how many more wsrun files reserves, for the files that it follows:
	// package logs follows at most that many.
	spareFollowed = 256
)

// A viewerCount is a number of viewers, at least 1, or zero if the flag was not given.
type viewerCount int

func (n *viewerCount) Set(s string) error {
	v, err := strconv.ParseUint(s, 10, 31)
	if err != nil || v == 0 {
		return errors.New("want a number of viewers, at least 1")
	}
	*n = viewerCount(v)
	return nil
}

func (n *viewerCount) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.Itoa(int(*n))
}
func (*viewerCount) Type() string { return "int" }

// maxStrangers returns how many connections that have shown no credentials there may be where some are
// needed; 0 means any number. It is a quarter of the limit on open files.
func maxStrangers() int {
	limit, _ := openFiles()
	return limit / 4
}

// viewers returns how many viewers there may be at a time; 0 means any number. Unless
// --max-viewers says otherwise, it is the limit on open files less spare ones, or a
// quarter of the limit where that is more.
func (o options) viewers(spare int) (int, error) {
	limit, ok := openFiles()
	if !ok {
		return int(o.maxViewers), nil
	}
	most := max(limit-spare, limit/4)
	if int(o.maxViewers) > most {
		return 0, fail(fmt.Errorf("--max-viewers %d: only %d files may be open, which is enough for %d viewers", o.maxViewers, limit, most),
			"raise the limit: ulimit -n, or LimitNOFILE= in a systemd unit")
	}
	if o.maxViewers > 0 {
		most = int(o.maxViewers)
	}
	return most, nil
}
