package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

const (
	// The page waits as long before it connects again: see static/driver/socket.js.
	minRetry = 500 * time.Millisecond
	maxRetry = 30 * time.Second
	// maxRetryAfter is how long a server may make a viewer wait.
	maxRetryAfter = 10 * time.Minute
)

// delay returns how long to wait before the given attempt, from 0: anything up to a bound
// that doubles, so that thousands of viewers don't come back at once.
func delay(attempt int) time.Duration {
	bound := maxRetry
	if attempt < 6 {
		bound = min(maxRetry, minRetry<<(attempt+1))
	}
	return minRetry + rand.N(bound-minRetry)
}

// Redial closes the connection, waits, and connects again at [Viewer.Position], until that
// succeeds. The first wait is 0.5 to 1 s; each attempt without a hello makes the next wait
// longer, up to 30 s, or as long as the server asks for. The hello that Next returns then
// says whether the stream resumes: if it doesn't, earlier output is out of date.
//
// If the last error of Next or of a handshake is [Final], Redial returns it at once. When
// ctx is done, Redial returns ctx's error. Close ends the wait, but not a handshake.
func (v *Viewer) Redial(ctx context.Context) error {
	if v.url == nil {
		return errNoAddress
	}
	v.current().CloseNow()
	for {
		select {
		case <-v.closed:
			return net.ErrClosed
		default:
		}
		if Final(v.err) {
			return v.err
		}
		wait := delay(v.attempt)
		v.attempt++
		var refused RefusedError
		if errors.As(v.err, &refused) {
			wait = max(wait, min(refused.RetryAfter, maxRetryAfter))
		}
		select {
		case <-time.After(wait):
		case <-v.closed:
			return net.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
		if v.err = v.dial(ctx); v.err == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
