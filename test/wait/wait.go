// Package wait makes tests wait for a condition, never for a duration.
package wait

import (
	"testing"
	"time"
)

// Patience is how long something that takes a second may take on a busy machine.
const Patience = 10 * time.Second

// For returns once ok reports true. If that takes longer than patience, it fails the test,
// saying what was waited for in vain.
func For(t testing.TB, patience time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}
