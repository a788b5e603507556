package broadcaster

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// drain reads everything at a cursor that can be read now: the bytes, and the events with
// their places among the bytes.
func drain(t *testing.T, c *Cursor) (data []byte, events []string) {
	t.Helper()
	for {
		item, wait, err := c.Poll()
		switch {
		case err == io.EOF || wait != nil:
			return data, events
		case item.Reset != nil:
			events = append(events, fmt.Sprintf("%d: reset to line %d at %d, %d lines and %d bytes skipped", len(data),
				item.Reset.Line, item.Reset.Offset, item.Reset.SkippedLines, item.Reset.SkippedBytes))
		case item.Event != nil:
			events = append(events, fmt.Sprintf("%d: %v", len(data), item.Event))
		default:
			data = append(data, item.Data...)
		}
	}
}

func write(t *testing.T, b *Broadcaster, s string) {
	t.Helper()
	if n, err := io.WriteString(b, s); n != len(s) || err != nil {
		t.Fatalf("Write = %d, %v; want %d, nil", n, err, len(s))
	}
}

func TestPublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		defer b.Close()
		c, _ := b.Open(-1)
		expect := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if got, _ := drain(t, c); string(got) != want {
				t.Errorf("%s: got %d bytes, want %d", when, len(got), len(want))
			}
		}
		write(t, b, "a")
		expect("the first chunk, at once", "a")
		write(t, b, "b")
		write(t, b, "c")
		expect("within 16 ms", "")
		time.Sleep(15 * time.Millisecond)
		expect("after 15 ms", "")
		time.Sleep(time.Millisecond)
		expect("after 16 ms", "bc")
		big := strings.Repeat("x", publishBytes)
		write(t, b, big[1:])
		expect("64 KiB less one", "")
		write(t, b, big[:2])
		expect("64 KiB wait", big+"x")
		time.Sleep(publishInterval)
		write(t, b, "e")
		expect("after a rest, at once", "e")
		write(t, b, "f")
		b.Emit(Resize{80, 24})
		write(t, b, "g")
		synctest.Wait()
		if data, events := drain(t, c); string(data) != "f" || !slices.Equal(events, []string{"1: {80 24}"}) {
			t.Errorf("an event publishes what is before it: got %q, %q", data, events)
		}
		write(t, b, "h")
		b.Close()
		expect("closed", "gh")
		if _, _, err := c.Poll(); err != io.EOF {
			t.Errorf("after the end: %v, want EOF", err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("Write after Close: %v, want ErrClosed", err)
		}
	})
}

// A panic of the timer is reported, and keeps readers from output only for a while.
func TestTimerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Broadcaster
		var whole ring
		reported := 0
		b = New(Options{Panicked: func(any) {
			b.mu.Lock()
			defer b.mu.Unlock()
			reported++
			b.ring.blocks, b.ring.maxLines = whole.blocks, whole.maxLines
		}})
		defer b.Close()
		c, _ := b.Open(-1)
		expect := func(when, want string, wait <-chan struct{}) {
			t.Helper()
			synctest.Wait()
			select {
			case <-wait:
			default:
				t.Errorf("%s: the reader isn't woken", when)
			}
			if got, _ := drain(t, c); string(got) != want {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
		}
		_, wait, _ := c.Poll()
		write(t, b, "a")
		expect("the first chunk", "a", wait)

		_, wait, _ = c.Poll()
		write(t, b, "b")
		b.mu.Lock()
		whole = b.ring
		b.ring.blocks, b.ring.maxLines = nil, -1 // ring.publish will panic
		b.mu.Unlock()
		time.Sleep(publishInterval)
		synctest.Wait()
		if reported != 1 {
			t.Fatalf("%d panics were reported", reported)
		}
		time.Sleep(retryTime)
		expect("after the panic", "b", wait)

		_, wait, _ = c.Poll()
		write(t, b, "c")
		write(t, b, "d")
		time.Sleep(publishInterval)
		expect("later", "cd", wait)
	})
}
