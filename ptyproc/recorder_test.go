//go:build unix

package ptyproc

import (
	"bytes"
	"strings"
	"sync"
)

// A recorder keeps output and can wait for some of it.
type recorder struct {
	mu   sync.Mutex
	cond *sync.Cond
	buf  bytes.Buffer
}

func newRecorder() *recorder {
	r := new(recorder)
	r.cond = sync.NewCond(&r.mu)
	return r
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.cond.Broadcast()
	return r.buf.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// await blocks until the output contains s.
func (r *recorder) await(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !strings.Contains(r.buf.String(), s) {
		r.cond.Wait()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
