package cli

import (
	"errors"
	"fmt"
	"strconv"
)

const (
	// spareFiles is how many open files are kept for all but viewers: wsrun's own
	// (14), requests that end by themselves, heads that are still being read.
	spareFiles = 128
	// spareFollowed is how many more wsrun files keeps, for those it follows.
	spareFollowed = 256
)

// viewerCount is a number of viewers, at least 1; zero if it was not given.
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

// viewers returns how many there may be, 0 for any number: as asked for, else as
// many as there may be open files, less spare ones. Of a small limit three quarters
// are spare at the most.
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
