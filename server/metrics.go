package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"

	"wsrun/hub"

	"github.com/VictoriaMetrics/metrics"
)

// serveMetrics answers /-/metrics in Prometheus' text format.
func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	out := bufio.NewWriter(w)
	defer out.Flush()
	m := exposition{out}
	m.family("wsrun_build_info", "gauge", "Always 1; the labels say what is running.")
	m.value(fmt.Sprintf("wsrun_build_info{version=%q,goversion=%q}", s.o.Version, runtime.Version()), 1)
	s.writeVisits(m)
	m.family("wsrun_refusals_total", "counter", "Requests that were refused.")
	for i, reason := range reasons {
		m.value(label("wsrun_refusals_total", "reason", reason), s.refusals[i].Load())
	}
	m.single("wsrun_accept_failures_total", "counter", "Connections that could not be accepted, as for lack of file descriptors; each try counts.", s.accepts.failures.Load())
	if s.files != nil {
		s.writeFiles(m)
	} else {
		s.writeFeed(m)
	}
	metrics.ExposeMetadata(true)
	metrics.WriteProcessMetrics(out)
}

func (s *Server) writeVisits(m exposition) {
	tallies := s.sessions.Tallies()
	for _, f := range []struct {
		name, kind, help string
		of               func(hub.Tally) int64
	}{
		{"wsrun_viewers", "gauge", "Viewers that follow a stream now.", func(t hub.Tally) int64 { return t.Now }},
		{"wsrun_connects_total", "counter", "Viewers that have begun to follow a stream.", func(t hub.Tally) int64 { return t.Came }},
		{"wsrun_sent_bytes_total", "counter", "Bytes sent to viewers: payloads of WebSocket messages, bodies of HTTP answers.", func(t hub.Tally) int64 { return t.Sent }},
		{"wsrun_resets_total", "counter", "Times that a viewer was too slow for the ring and missed output.", func(t hub.Tally) int64 { return t.Resets }},
		{"wsrun_slow_closes_total", "counter", "Viewers dropped because they took nothing (WebSocket status 4008).", func(t hub.Tally) int64 { return t.Slow }},
	} {
		m.family(f.name, f.kind, f.help)
		for k, t := range tallies {
			m.value(label(f.name, "kind", hub.Kind(k).String()), f.of(t))
		}
	}
	if s.sessions.Max > 0 {
		m.single("wsrun_viewers_max", "gauge", "Viewers that there may be.", int64(s.sessions.Max))
	}
}

// writeFeed writes what is counted of a server's only feed.
func (s *Server) writeFeed(m exposition) {
	st := s.feed.Stream.Stats()
	m.stream(st.End, st.Chunks, st.End-st.Start, st.Lines)
	m.single("wsrun_pictures_abandoned_total", "counter", "Full-screen programs that could not be followed for those who join late.", s.feed.Abandoned())
	running := int64(1)
	if st.Exit != nil {
		running = 0
	}
	m.single("wsrun_command_running", "gauge", "1 until the command, or standard input, has ended; then 0.", running)
	if st.Exit != nil {
		m.single("wsrun_command_exit_code", "gauge", "The command's exit status, 128 plus a signal's number; once it has ended.", int64(st.Exit.Code))
	}
}

func (s *Server) writeFiles(m exposition) {
	f := s.files
	var watched, idle, ringBytes, ringLines int64
	f.mu.Lock()
	past, filtered := f.past, f.filtered
	for leaving := range f.leaving {
		past.chunks += leaving.Stream.Stats().Chunks
	}
	for _, one := range f.followed {
		if one.users > 0 {
			watched++
		} else {
			idle++
		}
		st := one.Stream.Stats()
		past.chunks += st.Chunks
		ringBytes += st.End - st.Start
		ringLines += st.Lines
	}
	f.mu.Unlock()
	m.stream(f.read.Load(), past.chunks, ringBytes, ringLines)
	m.family("wsrun_files_followed", "gauge", "Files, and filtered views of them, that are followed now: watched by viewers, or idle for a while after the last.")
	m.value(label("wsrun_files_followed", "state", "watched"), watched)
	m.value(label("wsrun_files_followed", "state", "idle"), idle)
	m.single("wsrun_files_filtered", "gauge", "Filtered views among those.", int64(filtered))
	m.single("wsrun_files_follows_total", "counter", "Times that a file began to be followed.", past.started)
	m.single("wsrun_files_evictions_total", "counter", "Times that a file was dropped since nobody watched it.", past.dropped)
}

// An exposition is written in Prometheus' text format.
type exposition struct{ io.Writer }

func (m exposition) family(name, kind, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, kind)
}

func (m exposition) value(name string, v int64) { fmt.Fprintf(m, "%s %d\n", name, v) }

func (m exposition) single(name, kind, help string, v int64) {
	m.family(name, kind, help)
	m.value(name, v)
}

// stream writes what is counted of all streams together.
func (m exposition) stream(in, chunks, ringBytes, ringLines int64) {
	m.single("wsrun_received_bytes_total", "counter", "Bytes that came from the source.", in)
	m.single("wsrun_chunks_total", "counter", "Chunks of output published; each is a write to each viewer.", chunks)
	m.single("wsrun_ring_bytes", "gauge", "Bytes kept for those who join late.", ringBytes)
	m.single("wsrun_ring_lines", "gauge", "Lines kept for those who join late.", ringLines)
}

// label returns a metric with a label, whose value needs no escapes.
func label(name, key, value string) string { return fmt.Sprintf(`%s{%s="%s"}`, name, key, value) }
