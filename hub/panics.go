package hub

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
)

// Panics contains panics of code that serves viewers: such a panic must cost neither the command nor
// other viewers. Each is logged with its stack, and counted. A nil Panics contains them silently. Its
// methods may be called concurrently.
type Panics struct {
	log *slog.Logger
	n   atomic.Int64
}

// NewPanics returns a Panics that logs at error level.
func NewPanics(log *slog.Logger) *Panics { return &Panics{log: log} }

// Contain ends a panic, and reports it. It must itself be deferred, because only then can it recover.
// what says what the code was doing, for the log. cleanup, which may be nil, undoes what the code has
// left half done. Its own panics are contained, too.
//
// Contain passes [http.ErrAbortHandler] on, which isn't a fault: net/http expects it from handlers.
func (p *Panics) Contain(what string, cleanup func()) {
	v := recover()
	if v == nil {
		return
	}
	if v != http.ErrAbortHandler {
		p.Report(what, v)
	}
	if cleanup != nil {
		p.clean(what, cleanup)
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
}

// clean calls cleanup, which must not end wsrun either.
func (p *Panics) clean(what string, cleanup func()) {
	defer p.Contain(what, nil)
	cleanup()
}

// Report logs and counts a panic that the caller has recovered from, with the value v. The caller must
// be a deferred function, so that the stack is still that of the panic.
func (p *Panics) Report(what string, v any) {
	if p == nil {
		return
	}
	p.n.Add(1)
	defer func() { _ = recover() }() // a log that panics can't be reported
	p.log.LogAttrs(context.Background(), slog.LevelError, "a panic was contained: "+what,
		slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
}

// Reporter returns a function that calls Report, for packages that can't import this one. Its caller must be
// a deferred function, too.
func (p *Panics) Reporter(what string) func(v any) { return func(v any) { p.Report(what, v) } }

// Count returns the number of panics so far.
func (p *Panics) Count() int64 {
	if p == nil {
		return 0
	}
	return p.n.Load()
}
