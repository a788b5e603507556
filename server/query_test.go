package server

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"wsrun/broadcaster"
	"wsrun/internal/logs"
)

// FuzzQuery checks that an accepted query has the meaning that its text says, and that a stream
// starts there; and that the error for any other query can't control a terminal.
func FuzzQuery(f *testing.F) {
	stream := broadcaster.New(broadcaster.Options{Lines: 10})
	for range 100 {
		stream.Write([]byte("a line\n"))
	}
	stream.Close()
	stats := stream.Stats()
	for _, raw := range []string{
		"", "n=10", "n=all", "n=0", "n=-1", "n=2147483647", "n=2147483648", "n=9223372036854775808", "n=1e3", "n=+1", "n=%31",
		"n=1&n=x", "tail=1", "tail=true", "tail=2", "format=raw", "format=text", "format=html",
		"epoch=E&offset=0", "epoch=E&offset=650", "epoch=E&offset=699", "epoch=E&offset=700", "epoch=E&offset=701",
		"epoch=E&offset=9223372036854775807", "epoch=E&offset=-1", "offset=1", "epoch=&offset=1", "epoch=other&offset=1",
		"epoch=E&offset=", "epoch=E&offset=0x1", "grep=a", "grep=(", "grep=%1b(", "grep=%ff", "grep=a{1001}",
		"grep=(?i)x&invert=1", "invert=x", "%", "%zz", ";", "a;b", "&&&", "=", "n", "=&=", "n=%00", "format=%1b[31m",
		"tail=%e2%80%ae", "from=1", "from=0", "from=-1", "from=x", "from=", "from=9223372036854775807", "from=+1", "from=1&n=5", "at=-5m", "at=12:00",
		"at=", "at=never%1b", "at=5", "from=1&at=1", "from=1&epoch=E&offset=0", "format=slice", "format=slice&from=1&n=all", "format=slice&from=1&n=10001",
		"format=slice&epoch=E&offset=0", "format=slice&at=1&until=2&n=3", "until=x", "format=hits", "format=hits&grep=x&back=1", "format=ndjson&context=99",
		"context=100&grep=x", "times=2", "format=status", "back=yes", "grep=x&context=3&invert=1",
	} {
		f.Add(raw)
	}
	filters := logs.NewCompiler()
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err == nil {
			_, err = filters.Compile(t.Context(), q.grep, q.invert)
		}
		if err != nil {
			if i := strings.IndexFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%q: the error has %q in it", raw, err.Error()[i:])
			}
			return
		}
		v, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q is taken: %v", raw, err)
		}
		if q.Lines < -1 || q.Lines > allLines || (q.Lines == -1) != (v.Get("n") == "") || q.Offset < -1 ||
			(q.Offset >= 0) != v.Has("offset") || q.Offset >= 0 && q.Epoch == "" ||
			q.format != v.Get("format") || q.format != "" && !slices.Contains(formats, q.format) || q.grep != v.Get("grep") {
			t.Errorf("%q: %+v", raw, q)
		}
		if (q.Line > 0) != v.Has("from") || (q.Time > 0) != v.Has("at") || (q.until > 0) != v.Has("until") || q.Line > 0 && q.Time > 0 ||
			q.places() && q.Offset >= 0 || q.context > maxContext || q.format == "hits" && q.grep == "" || q.format == "slice" && q.Lines > maxSliceLines {
			t.Errorf("%q: %+v", raw, q)
		}
		if q.Epoch == "E" {
			q.Epoch = stream.Epoch()
		}
		cursor, start := stream.Resume(q.Epoch, q.Offset, q.Lines)
		kept := q.Offset >= stats.Start && q.Offset <= stats.End
		if start.Resumed != (q.Epoch == stream.Epoch() && kept) || start.Resumed && start.Offset != q.Offset ||
			start.Offset < stats.Start || start.Offset > stats.End {
			t.Errorf("%q: starts at %+v", raw, start)
		}
		if item, _, err := cursor.Poll(); (err == nil) != (start.Offset < stats.End) || int64(len(item.Data)) > stats.End-start.Offset {
			t.Errorf("%q: from %d come %d bytes, %v", raw, start.Offset, len(item.Data), err)
		}
	})
}

// TestInvertNeedsGrep checks that without an expression, invert makes no other view of a file.
func TestInvertNeedsGrep(t *testing.T) {
	if q, err := parseQuery("invert=1&grep="); err != nil || q.invert {
		t.Errorf("%+v, %v", q.grep, err)
	}
}
