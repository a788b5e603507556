package broadcaster

import (
	"bytes"
	"io"
	"testing"
)

// FuzzPollLines compares PollLines with Poll: both return the same output, and PollLines returns the
// end of what there is only if that is a whole line, an event interrupts the line, or it is long.
func FuzzPollLines(f *testing.F) {
	f.Add([]byte("a\nbb\nccc"), uint16(1))
	f.Add([]byte("\n\n\xffunfinished\xff\xff\n"), uint16(3))
	f.Add([]byte("abcdefgh"), uint16(60_000))
	f.Fuzz(func(t *testing.T, script []byte, times uint16) {
		if len(script) > 100 {
			return
		}
		b := New(Options{Lines: 1 << 30, Bytes: 16 << 20})
		reader, _ := b.Open(-1)
		var all, got []byte
		events, seen := 0, 0
		interrupted := false // by an event, since the last newline
		read := func() {
			for {
				item, wait, err := reader.PollLines()
				if wait != nil || err == io.EOF {
					return
				}
				got = append(got, item.Data...)
				if item.Event != nil {
					seen++
				}
			}
		}
		for _, c := range script {
			if c == 0xff {
				b.Emit(events)
				events++
				interrupted = true
			} else {
				p := bytes.Repeat([]byte{c}, int(times)+1)
				if c == '\n' {
					p, interrupted = p[:1], false
				}
				b.Write(p)
				b.Flush()
				all = append(all, p...)
			}
			read()
			rest := all[len(got):]
			if !bytes.HasPrefix(all, got) || seen != events || bytes.IndexByte(rest, '\n') >= 0 || len(rest) > maxUnfinished {
				t.Fatalf("%d of %d bytes, %d of %d events: %d bytes held back", len(got), len(all), seen, events, len(rest))
			}
			if whole := bytes.LastIndexByte(all, '\n') + 1; !interrupted && len(all)-whole <= maxUnfinished && len(got) != whole {
				t.Fatalf("%d bytes of an unfinished line are returned", len(got)-whole)
			}
		}
		b.Close()
		if read(); !bytes.Equal(got, all) {
			t.Fatalf("at the end: %d of %d bytes", len(got), len(all))
		}
	})
}
