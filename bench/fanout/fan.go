//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// runTime is how long one run may take in all.
	runTime = 2 * time.Minute

	// patience is how long the last viewer may take to receive the last line. After that, the
	// line counts as lost.
	patience = 10 * time.Second

	// afterTime is how long to wait for messages that should not arrive, such as a duplicate line.
	afterTime = 200 * time.Millisecond
)

// figures are what was measured, by name:
//
//	cpu       s, of the server's processes from the first line to the arrival of the last
//	chunk     µs of that for each message to a viewer
//	p50, p99, max   ms from a line's writing to its arrival
//	faults    lines lost, doubled, out of order or damaged, and viewers dropped, of all
//	          viewers
//	rss       KiB of resident memory for each viewer, at the most
//	grown     MiB of resident memory that came with the viewers, at the most
//	wire      bytes to all viewers
//	wall      s
//	speed     MB/s
//	size      MB
//	start     ms
type figures map[string]float64

// A fan is lines that come in steady steps, and many viewers.
type fan struct {
	viewers, stopped int
	ahead            int // lines, all at once, before what is measured: those who are stopped take no more then
	rate, lines      int // lines a second, and in all
	deflate          bool
	earlier          int // bytes of output before the viewers come
	searches         int // how many clients search that output meanwhile
}

// run measures a server, which it stops.
func (f fan) run(ctx context.Context, start func(context.Context) (*server, error)) (figures, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runTime, errors.New("the run takes too long"))
	defer cancel()
	s, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := writeEarlier(ctx, s, f.earlier); err != nil {
		return nil, err
	}
	before := rss(s.pids())
	end := f.ahead + f.lines
	t := makeTexts(end)
	l, err := f.connect(ctx, s, t)
	if err != nil {
		return nil, err
	}
	defer l.close()
	searched := keepSearching(ctx, s.addr, f.searches)
	defer searched()
	peak := s.watch()
	defer peak()
	cpu := s.cpu()
	if _, err := t.pace(ctx, s.in, f.ahead, end, f.rate); err != nil {
		return nil, err
	}
	// Who has not all by then has lost it: finish tells.
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	l.wait(patient, l.complete)
	cpu = s.cpu() - cpu
	most := peak()
	if err := searched(); err != nil {
		return nil, err
	}
	if err := nothingMore(ctx); err != nil {
		return nil, err
	}
	r, err := l.finish(end)
	if err != nil {
		return nil, err
	}
	if len(r.delays) == 0 {
		return nil, errors.New("no line has come to a sampled viewer")
	}
	return figures{
		"cpu":    cpu.Seconds(),
		"chunk":  cpu.Seconds() * 1e6 / float64(max(r.messages, 1)),
		"p50":    ms(r.quantile(0.5)),
		"p99":    ms(r.quantile(0.99)),
		"max":    ms(r.quantile(1)),
		"faults": float64(r.faults.sum()),
		"rss":    float64(most-before) / 1024 / float64(f.viewers),
		"wire":   float64(r.wire),
	}, nil
}

// connect connects the viewers, and writes the lines ahead. The caller must close the load.
func (f fan) connect(ctx context.Context, s *server, t texts) (*load, error) {
	l, err := startLoad(loadPlan{addr: s.addr, form: s.form, viewers: f.viewers, sampled: sampled, stopped: f.stopped,
		deflate: f.deflate, texts: t, timed: f.ahead, want: f.ahead + f.lines})
	if err != nil {
		return nil, err
	}
	if err := l.wait(ctx, l.opened); err != nil {
		l.close()
		return nil, fmt.Errorf("connect %d viewers: %w", f.viewers, err)
	}
	err = s.settle(ctx)
	if err == nil && f.ahead > 0 {
		err = f.fill(ctx, s, t)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// nothingMore waits for afterTime, in which nothing may arrive.
func nothingMore(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(afterTime):
		return nil
	}
}

// fill writes the lines ahead, and waits until all have them who read. The others must
// have less: their connections hold as much as they can.
func (f fan) fill(ctx context.Context, s *server, t texts) error {
	lines := t.lines(f.ahead, time.Now())
	if _, err := s.in.Write(lines); err != nil {
		return fmt.Errorf("write the lines ahead: %w", err)
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	full, err := s.holding(len(lines) / 2)
	if err == nil && full != f.stopped {
		err = fmt.Errorf("%d connections are full, not %d", full, f.stopped)
	}
	return err
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
