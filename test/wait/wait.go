// Package wait lets tests wait for a condition instead of a fixed time.
package wait

import (
	"testing"
	"time"
)

// Patience is a limit for whatever normally takes a second at most: a busy machine needs longer.
const Patience = 10 * time.Second

// For calls ok about once a millisecond and returns when ok reports true. If that takes longer
// than patience, For ends the test with what as the message, so what says which condition was
// never met: "the viewer never joined". For must be called from the test's own goroutine, as
// [testing.T.FailNow] must.
func For(t testing.TB, patience time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}
