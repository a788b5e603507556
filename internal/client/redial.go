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

// Redial ends the connection, waits a while, and connects again at [Viewer.Position],
// until that succeeds. The wait is 0.5 to 1 s at first, and up to 30 s after tries that got
// no hello; longer if the server asks for it. The hello that comes next says whether the
// stream resumes: if not, what came before is out of date.
//
// Redial returns ctx's error when ctx is done, and the last error of Next or of a handshake
// at once if it is [Final]. It waits for ctx, not for Close, while a handshake is under way.
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
