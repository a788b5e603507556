//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	joiners = 1000
	backlog = 10_000 // lines: what wsrun keeps
	// backlogRate is how many of them are written in a second: wsrun publishes at most
	// every 16 ms, so that they arrive in 2,500 chunks, each with a time of its own.
	backlogRate = 250
	liveRate    = 100 // lines a second while they join
	liveTime    = 60  // seconds of such lines that there are
)

// join measures wsrun while many join at once, with a long backlog. wall is until all
// have that, max the delay of the lines of an earlier viewer meanwhile.
func join(ctx context.Context, p programs) (figures, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runTime, errors.New("the run takes too long"))
	defer cancel()
	s, err := p.startWsrun(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	t := makeTexts(backlog + liveTime*liveRate)
	early, err := fillBacklog(ctx, s, t)
	if err != nil {
		return nil, err
	}
	defer early.close()

	before := rss(s.pids())
	peak := s.watch()
	defer peak()
	end := backlog
	var endErr error
	pacing, stop := context.WithCancel(ctx)
	var live sync.WaitGroup
	defer live.Wait()
	defer stop()
	live.Go(func() { end, endErr = t.pace(pacing, s.in, backlog, t.len(), liveRate) })
	begin := time.Now()
	l, err := startLoad(loadPlan{addr: s.addr, form: s.form, viewers: joiners, sampled: sampled, atOnce: true, midway: true,
		texts: t, timed: t.len(), want: backlog})
	if err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.wait(ctx, l.complete); err != nil {
		return nil, fmt.Errorf("%d viewers join: %w", joiners, err)
	}
	most := peak()
	stop()
	live.Wait()
	if endErr != nil {
		return nil, endErr
	}
	if err := nothingMore(ctx); err != nil {
		return nil, err
	}
	joined, err := l.finish(end)
	if err != nil {
		return nil, err
	}
	earlier, err := early.finish(end)
	if err != nil {
		return nil, err
	}
	return figures{
		"wall":   l.completed.Sub(begin).Seconds(),
		"grown":  float64(most-before) / (1 << 20),
		"max":    ms(earlier.quantile(1)),
		"faults": float64(joined.faults.sum() + earlier.faults.sum()),
	}, nil
}

// fillBacklog writes the backlog, and returns the viewer that has seen it arrive. The caller
// must close it.
func fillBacklog(ctx context.Context, s *server, t texts) (early *load, err error) {
	early, err = startLoad(loadPlan{addr: s.addr, form: s.form, viewers: 1, sampled: 1, texts: t, timed: backlog, want: backlog})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			early.close()
		}
	}()
	if err := early.wait(ctx, early.opened); err != nil {
		return nil, err
	}
	if n, err := t.pace(ctx, s.in, 0, backlog, backlogRate); err != nil || n < backlog {
		return nil, fmt.Errorf("write %d of %d lines of backlog: %w", n, backlog, cmp.Or(err, ctx.Err()))
	}
	if err := early.wait(ctx, early.complete); err != nil {
		return nil, fmt.Errorf("send the backlog: %w", err)
	}
	return early, s.settle(ctx)
}
