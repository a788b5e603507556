package server

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"wsrun/hub"
	"wsrun/internal/access"
)

const (
	// maxHeld is how many bytes the responses in progress may hold together. How long each holds
	// its share is up to its client, until the client's time is over.
	maxHeld = 24 << 20
	// leastHeld is what each response counts as at least: the buffers on its way. It also limits
	// how many there are, to 64.
	leastHeld = maxHeld / 64
	// maxLines is how many bytes of long lines filters may hold together.
	maxLines = 16 << 20
	// maxWaiting is how many responses may wait until they may begin, and maxWaitingEach how many
	// of these one address may have. All clients of a proxy on this machine have one address, so
	// local addresses have no limit of their own.
	maxWaiting     = 64
	maxWaitingEach = 4
	// waitTime is how long a response may wait, and maxRunningEach how many one address may have in
	// progress, unless it is a local one: slow clients may take hours for large files.
	waitTime       = 10 * time.Second
	maxRunningEach = 16
)

var errCrowded = errors.New("wsrun is busy with other requests: try again in a moment")

// A gate limits the responses that end on their own, such as last lines, archives, lists and greps:
// how many are in progress and what they hold together, how many wait, and how many use a processor
// at a time. Clients that are slow, many or gone therefore can't hold up live output. Its methods may
// be called concurrently.
type gate struct {
	room  *semaphore.Weighted // bytes that responses in progress may hold
	turns chan struct{}       // holds an element for each response that uses a processor
	lines *semaphore.Weighted // bytes of long lines that filters may hold, also of those who follow

	mu      sync.Mutex
	running tally // responses in progress
	waiting tally // responses that may not begin yet
}

// A tally counts responses.
type tally struct {
	all int
	by  map[netip.Prefix]int // by address, without those of 0
}

// add adds n to an address's count.
func (c *tally) add(client netip.Prefix, n int) {
	c.all += n
	if c.by[client] += n; c.by[client] == 0 {
		delete(c.by, client)
	}
}

func newGate() *gate {
	return &gate{
		room: semaphore.NewWeighted(maxHeld), lines: semaphore.NewWeighted(maxLines), turns: make(chan struct{}, hub.HalfTheProcessors()),
		running: tally{by: map[netip.Prefix]int{}}, waiting: tally{by: map[netip.Prefix]int{}},
	}
}

// counts returns how many responses are in progress, and how many wait.
func (g *gate) counts() (running, waiting int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(g.running.all), int64(g.waiting.all)
}

// enter waits until a response may begin that holds up to so many bytes, for a client at the given
// RemoteAddr. Unless it returns an error, the caller must call [task.leave]. The error is errCrowded,
// or ctx's.
func (g *gate) enter(ctx context.Context, remote string, held int64) (*task, error) {
	t := &task{gate: g, held: min(max(held, leastHeld), maxHeld), done: ctx.Done(), client: access.ClientPrefix(remote)}
	at, err := netip.ParseAddrPort(remote)
	t.local = err != nil || at.Addr().Unmap().IsLoopback() // no address: a Unix socket
	if g.hasMany(t) {
		return nil, errCrowded
	}
	if !g.room.TryAcquire(t.held) {
		if err := g.wait(ctx, t, g.takeRoom); err != nil {
			return nil, err
		}
	} else if !t.tryWork() {
		if err := g.wait(ctx, t, g.takeTurn); err != nil {
			g.room.Release(t.held)
			return nil, err
		}
	}
	g.add(&g.running, t, 1)
	return t, nil
}

// follower returns a task for a response that follows a stream, which uses turns only until it has sent
// the backlog. It needs no share of memory. The caller must call [task.rest] rather than leave.
func (g *gate) follower(ctx context.Context) *task { return &task{gate: g, done: ctx.Done()} }

// takeRoom gives the task its share of memory, and then a turn.
func (g *gate) takeRoom(ctx context.Context, t *task) error {
	if err := g.room.Acquire(ctx, t.held); err != nil {
		return err
	}
	err := g.takeTurn(ctx, t)
	if err != nil {
		g.room.Release(t.held)
	}
	return err
}

// takeTurn gives the task, which has its share of memory, a turn.
func (g *gate) takeTurn(ctx context.Context, t *task) error {
	if !t.await(ctx.Done()) {
		return ctx.Err()
	}
	return nil
}

// wait calls take, which may wait for waitTime, unless too many responses wait already.
func (g *gate) wait(ctx context.Context, t *task, take func(context.Context, *task) error) error {
	if !g.tryWait(t) {
		return errCrowded
	}
	defer g.add(&g.waiting, t, -1)
	limited, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	err := take(limited, t)
	if err != nil && ctx.Err() == nil {
		return errCrowded
	}
	return err
}

// hasMany reports whether the task's client has as many responses in progress as it may have.
func (g *gate) hasMany(t *task) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !t.local && g.running.by[t.client] >= maxRunningEach
}

// tryWait counts a task that waits, and reports whether it may.
func (g *gate) tryWait(t *task) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting.all >= maxWaiting || !t.local && g.waiting.by[t.client] >= maxWaitingEach {
		return false
	}
	g.waiting.add(t.client, 1)
	return true
}

// add adds n for a task's client to a tally.
func (g *gate) add(c *tally, t *task, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.add(t.client, n)
}
