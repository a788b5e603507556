package logs

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
)

// Filters that have to read much take turns, at most half of the processors. Files without a filter don't
// wait for them.
func TestFiltersTakeTurns(t *testing.T) { synctest.Test(t, testFiltersTakeTurns) }

func testFiltersTakeTurns(t *testing.T) {
	l, dir := newLogs(t, 2)
	for _, name := range []string{"0.log", "1.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("a line\n"), 20_000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := cap(l.filtering), max(1, runtime.GOMAXPROCS(0)/2); got != want || cap(l.loading) != want {
		t.Errorf("%d and %d turns, want %d", got, cap(l.loading), want)
	}
	filter, err := compile("line", false)
	if err != nil {
		t.Fatal(err)
	}
	follow := func(ctx context.Context, name string, filter Filter) *follower {
		path := dir + "/" + name
		f, err := l.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, leave, err := f.Follow(ctx, filter)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(leave)
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.followed[view{path, filter.expr, filter.invert}]
	}
	for range cap(l.filtering) {
		l.filtering <- struct{}{}
	}
	gone, leaves := context.WithCancel(t.Context())
	leaves()
	filtered := follow(gone, "0.log", filter)
	<-follow(t.Context(), "0.log", Filter{}).intake.loaded
	synctest.Wait()
	select {
	case <-filtered.intake.loaded:
		t.Error("a filter has read its file out of turn")
	default:
	}
	for range cap(l.filtering) {
		<-l.filtering
	}
	<-filtered.intake.loaded
	for range cap(l.loading) {
		l.loading <- struct{}{}
	}
	<-follow(gone, "1.log", filter).intake.loaded
	unfiltered := follow(gone, "1.log", Filter{})
	synctest.Wait()
	select {
	case <-unfiltered.intake.loaded:
		t.Error("a file was read out of turn")
	default:
	}
}
