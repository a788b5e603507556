package hub

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestContain(t *testing.T) {
	var log strings.Builder
	p := NewPanics(slog.New(slog.NewTextHandler(&log, nil)))
	cleaned := 0
	fail := func(p *Panics, v any) {
		defer p.Contain("test", func() { cleaned++; panic("in the cleanup") })
		if v != nil {
			panic(v)
		}
	}
	fail(p, nil)
	if cleaned != 0 || p.Count() != 0 || log.Len() != 0 {
		t.Errorf("without a panic: %d cleanups, %d panics, log %q", cleaned, p.Count(), &log)
	}
	fail(p, errors.New("so it\nfailed"))
	if cleaned != 1 || p.Count() != 2 {
		t.Errorf("%d cleanups, %d panics, want 1 and 2", cleaned, p.Count())
	}
	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], `panic="so it\nfailed"`) ||
		!strings.Contains(lines[0], `stack="goroutine `) || !strings.Contains(lines[0], "TestContain.func1") {
		t.Errorf("log %q", lines)
	}
	fail(nil, "silent")
	if cleaned != 2 {
		t.Errorf("%d cleanups, want 2", cleaned)
	}
}

func TestContainPassesAbortOn(t *testing.T) {
	p, cleaned := NewPanics(slog.New(slog.DiscardHandler)), false
	defer func() {
		if v := recover(); v != http.ErrAbortHandler || p.Count() != 0 || !cleaned {
			t.Errorf("panic %v, %d counted, cleaned: %v", v, p.Count(), cleaned)
		}
	}()
	defer p.Contain("test", func() { cleaned = true })
	panic(http.ErrAbortHandler)
}
