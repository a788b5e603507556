package hub

import "sync"

// A membership is a viewer's place in the writer pool. While mu is held and writer is set, the holder of
// mu may use the viewer. Whoever sets writer to nil is responsible for the viewer from then on.
type membership struct {
	mu       sync.Mutex
	writer   *writer // nil unless the viewer is in the writer pool
	closing  bool    // the viewer may not enter the pool any more
	queued   bool    // the viewer is in writer's queue; a stale entry from before doesn't count
	current  bool    // the viewer is in writer's current list
	countDue bool    // if not current, the viewer must be sent the number of viewers
}

// leave takes the viewer out of the writer pool. It reports whether the viewer was in the pool.
func (m *membership) leave() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	in := m.writer != nil
	m.writer = nil
	return in
}

// close is leave, and keeps the viewer out of the pool from then on.
func (m *membership) close() bool {
	m.mu.Lock()
	m.closing = true
	m.mu.Unlock()
	return m.leave()
}

// enqueue makes the viewer's writer serve it soon, if the viewer is in the writer pool.
func (v *viewer) enqueue() {
	v.member.mu.Lock()
	defer v.member.mu.Unlock()
	if w := v.member.writer; w != nil {
		w.enqueue(v)
	}
}
