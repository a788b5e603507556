//go:build linux

package server

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"wsrun/test/wait"
)

const (
	// costWindow is how often the work and the memory are sampled, and costNoise how much CPU time an
	// idle process may use in a window, in addition to what it has used in the windows before.
	costWindow = 100 * time.Millisecond
	costNoise  = 10 * time.Millisecond

	// costPause is the time between two clients that trickle: what they hold is measured, and not what it
	// takes to connect all of them at once.
	costPause = 5 * time.Millisecond

	// What the clients of a row may cost in memory. For streams, the figure to reach is without the garbage
	// that may pile up in any process (limitGarbage in package cli).
	mostHeldByEnding  = 64 << 20
	mostHeldByEndless = costClients * 64 << 10
	mostGarbage       = 6 << 20

	// Figures to reach; a busy machine may not. Rows that run at once delay each other's output.
	overFigure  = time.Second
	delayFigure = 250 * time.Millisecond
	// mostDelay is how late output may be on any machine.
	mostDelay = 5 * time.Second
)

// costIsFull reports whether every row is to run over every transport, and again, alone, if it misses a
// figure beside others.
func costIsFull() bool { return os.Getenv("WSRUN_COST") == "full" }

// TestCost lets clients vanish and trickle, for each row. A row alone:
//
//	go test -v -run 'TestCost/files:_archive,' ./server
func TestCost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	setting := newCostSetting(t, 1)
	rowsAtOnce := 5 // they mostly wait
	if costIsFull() {
		rowsAtOnce = 3
	}
	var worst costFigures
	var all sync.WaitGroup
	var alone sync.RWMutex // held by a case that runs, and locked by one that runs alone
	slots := make(chan struct{}, rowsAtOnce)
	for i, row := range costRows {
		transports := []transport{row.turn(i)}
		if costIsFull() {
			transports = row.supports()
		}
		for _, via := range transports {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				t.Run(fmt.Sprintf("%s: %s, %s", row.on, row.name, via), func(t *testing.T) {
					figures := setting.measure(t, row, via, alone.RLocker())
					if figures.missed && costIsFull() {
						figures = setting.measure(t, row, via, &alone)
					}
					worst.add(figures)
				})
			})
		}
	}
	all.Wait()
	t.Attr("promise", "of every route and form, clients that vanish end their work, clients that trickle cost little, and output goes on")
	t.Attr("figure", fmt.Sprintf("%d rows, %d clients each: %v", worst.rows, costClients, &worst))
}

// measure measures a case with a wsrun of its own, while it holds a lock.
func (s costSetting) measure(t *testing.T, row costRow, via transport, while sync.Locker) *costFigures {
	t.Helper()
	while.Lock()
	defer while.Unlock()
	c := costCase{row, via, s.start(t, row.on, via), costClients}
	defer c.to.Stop()
	return c.measure(t)
}

// costFigures are what a row's clients have cost, or the worst of several rows.
type costFigures struct {
	mu          sync.Mutex
	rows        int
	over, delay time.Duration
	ending      int64 // bytes held by responses that end on their own
	endless     int64
	missed      bool // a figure
}

// add makes f the worse of both.
func (f *costFigures) add(g *costFigures) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows += g.rows
	f.over, f.delay = max(f.over, g.over), max(f.delay, g.delay)
	f.ending, f.endless = max(f.ending, g.ending), max(f.endless, g.endless)
	f.missed = f.missed || g.missed
}

func (f *costFigures) String() string {
	return fmt.Sprintf("at worst the work ends after %v, %.1f MiB are held by responses that end and %.1f MiB by streams, output is %v late",
		f.over, mib(f.ending), mib(f.endless), f.delay.Round(time.Millisecond))
}

// measure lets clients trickle, which shows best in a new process, and then vanish.
func (c costCase) measure(t *testing.T) *costFigures {
	t.Helper()
	few := c // what a process takes once is not the cost of a client
	few.clients = costClients / 10
	few.letTrickle(t, time.Second)
	c.to.settle()
	trickled, held := c.letTrickle(t, trickleTime(c.via))
	delay := c.to.canary.upToDate(t)
	f := &costFigures{rows: 1, delay: delay}
	figure, most := int64(mostHeldByEnding), int64(mostHeldByEnding)
	if c.row.kind == endless || c.row.kind == scarce {
		f.endless, figure, most = held, mostHeldByEndless, mostHeldByEndless+mostGarbage
	} else {
		f.ending = held
	}
	idle := c.to.settle()
	vanished, over := c.letVanish(t, idle)
	f.over = over
	f.missed = over > overFigure || held > figure || delay > delayFigure
	t.Logf("vanished (%v): over after %.1f s%s; trickled (%v): %.1f MiB%s, output %d ms late%s", vanished, over.Seconds(),
		excess(over > overFigure), trickled, mib(held), excess(held > figure), delay.Milliseconds(), excess(delay > delayFigure && costIsFull()))
	if held > most {
		t.Errorf("the clients that trickle cost %.1f MiB, want at most %.1f MiB", mib(held), mib(most))
	}
	if delay > mostDelay {
		t.Errorf("output was %v late", delay)
	}
	if c.row.kind == endless && c.via != headed && trickled.ended > 0 {
		t.Errorf("%d streams ended", trickled.ended)
	}
	return f
}

// letTrickle lets clients read slowly for a while, and returns what they cost in memory.
func (c costCase) letTrickle(t *testing.T, while time.Duration) (tally *costTally, held int64) {
	t.Helper()
	before, end := c.to.memory(), time.Now().Add(while)
	c.to.canary.worst.Store(0)
	tally = &costTally{}
	done := c.each(tally, func(index int) (int, bool, error) {
		time.Sleep(time.Duration(index) * costPause)
		return c.trickle(end)
	})
	most := before
	for sample := time.NewTicker(costWindow); ; {
		select {
		case <-sample.C:
			most = max(most, c.to.memory())
			continue
		case <-done:
		}
		if tally.err != nil {
			t.Error(tally.err)
		}
		return tally, most - before
	}
}

// trickleTime returns how long clients trickle.
func trickleTime(via transport) time.Duration {
	switch {
	case !costIsFull():
		return 4 * time.Second
	case via == http11:
		return 15 * time.Second
	}
	return 6 * time.Second
}

// letVanish lets clients vanish, and returns how long their work went on.
func (c costCase) letVanish(t *testing.T, idle time.Duration) (tally *costTally, over time.Duration) {
	t.Helper()
	tally = &costTally{}
	<-c.each(tally, func(index int) (int, bool, error) {
		status, err := c.vanish(index)
		return status, false, err
	})
	if tally.err != nil {
		t.Error(tally.err)
	}
	last := time.Now()
	quiet := 0
	wait.For(t, wait.Patience, "the work goes on without clients", func() bool {
		if quiet == 0 {
			over = time.Since(last)
		}
		if c.to.serving() == 0 && c.to.work() <= idle+costNoise {
			quiet++
		} else {
			quiet = 0
		}
		return quiet == 2
	})
	return tally, over.Round(costWindow)
}

// each runs all clients at once. The channel is closed when they have ended, and been counted.
func (c costCase) each(tally *costTally, client func(index int) (status int, ended bool, err error)) <-chan struct{} {
	var all sync.WaitGroup
	done := make(chan struct{})
	for i := range c.clients {
		all.Go(func() {
			status, ended, err := client(i)
			tally.count(c, status, ended, err)
		})
	}
	go func() {
		all.Wait()
		close(done)
	}()
	return done
}

// work returns the CPU time that the process uses in a window.
func (p *costProcess) work() time.Duration {
	before := p.cpu()
	time.Sleep(costWindow)
	return p.cpu() - before
}

// settle waits until the process serves only the canary and its memory is steady. It returns the most
// CPU time that the process has used in a window since.
func (p *costProcess) settle() (idle time.Duration) {
	p.t.Helper()
	const enough = 4 // windows
	quiet, memory := 0, int64(0)
	wait.For(p.t, 3*wait.Patience, "the process is never idle", func() bool {
		serving, used, now := p.serving(), p.work(), p.memory()
		if serving == 0 && used < 3*costNoise && max(now-memory, memory-now) < 1<<20 {
			quiet++
			idle = max(idle, used)
		} else {
			quiet, idle = 0, 0
		}
		memory = now
		return quiet == enough
	})
	return idle
}

// mib returns bytes in MiB.
func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// excess returns a word for a figure that was missed.
func excess(is bool) string {
	if is {
		return " OVER"
	}
	return ""
}
