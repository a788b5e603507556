package server

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

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
	// maxWaiting is how many responses may wait until they may begin, and maxWaitingEach how many
	// of these one address may have. All clients of a proxy on this machine have one address, so
	// local addresses have no limit of their own.
	maxWaiting     = 64
	maxWaitingEach = 4
)

var errCrowded = errors.New("wsrun is busy with other requests: try again in a moment")

// A gate limits the responses that end on their own, such as last lines, archives, lists and greps:
// how many are in progress and what they hold together, how many wait, and how many use a processor
// at a time. Clients that are slow, many or gone therefore can't hold up live output. Its methods may
// be called concurrently.
type gate struct {
	room    *semaphore.Weighted // bytes that responses in progress may hold
	turns   chan struct{}       // holds an element for each response that uses a processor
	running atomic.Int64        // responses in progress

	mu      sync.Mutex
	waiting map[netip.Prefix]int // responses that may not begin yet, by address
	queued  int                  // all of them
}

func newGate() *gate {
	return &gate{
		room: semaphore.NewWeighted(maxHeld), turns: make(chan struct{}, hub.HalfTheProcessors()),
		waiting: map[netip.Prefix]int{},
	}
}

// counts returns how many responses are in progress, and how many wait.
func (g *gate) counts() (running, waiting int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running.Load(), int64(g.queued)
}

// enter waits until a response may begin that holds up to so many bytes, for a client at the given
// RemoteAddr. Unless it returns an error, the caller must call [task.leave]. The error is errCrowded,
// or ctx's.
func (g *gate) enter(ctx context.Context, remote string, held int64) (*task, error) {
	t := &task{gate: g, held: min(max(held, leastHeld), maxHeld), done: ctx.Done()}
	if !g.room.TryAcquire(t.held) {
		if err := g.wait(ctx, remote, t, g.takeRoom); err != nil {
			return nil, err
		}
	} else if !t.tryWork() {
		if err := g.wait(ctx, remote, t, g.takeTurn); err != nil {
			g.room.Release(t.held)
			return nil, err
		}
	}
	g.running.Add(1)
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
	if !t.work() {
		return ctx.Err()
	}
	return nil
}

// wait calls take, which may wait, unless too many responses wait already.
func (g *gate) wait(ctx context.Context, remote string, t *task, take func(context.Context, *task) error) error {
	client := access.ClientPrefix(remote)
	at, err := netip.ParseAddrPort(remote)
	local := err != nil || at.Addr().Unmap().IsLoopback() // no address: a Unix socket
	g.mu.Lock()
	if g.queued >= maxWaiting || !local && g.waiting[client] >= maxWaitingEach {
		g.mu.Unlock()
		return errCrowded
	}
	g.queued++
	g.waiting[client]++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.queued--
		if g.waiting[client]--; g.waiting[client] == 0 {
			delete(g.waiting, client)
		}
	}()
	return take(ctx, t)
}
