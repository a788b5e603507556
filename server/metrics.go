package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"

	"wsrun/history"
	"wsrun/hub"

	"github.com/VictoriaMetrics/metrics"
)

// serveMetrics serves /-/metrics in the Prometheus text format.
func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	out := bufio.NewWriter(w)
	defer out.Flush()
	m := exposition{out}
	m.family("wsrun_build_info", "gauge", "Always 1; the labels say what is running.")
	m.value(fmt.Sprintf("wsrun_build_info{version=%q,goversion=%q}", s.o.Version, runtime.Version()), 1)
	s.writeSessions(m)
	m.family("wsrun_refusals_total", "counter", "Requests that were refused.")
	for i, reason := range reasons {
		m.value(label("wsrun_refusals_total", "reason", string(reason)), s.refusals[i].Load())
	}
	running, waiting := s.gate.counts()
	m.family("wsrun_responses", "gauge", "Responses that end on their own, such as last lines: in progress, or waiting for their turn.")
	m.value(label("wsrun_responses", "state", "running"), running)
	m.value(label("wsrun_responses", "state", "waiting"), waiting)
	m.single("wsrun_accept_failures_total", "counter",
		"Connections that could not be accepted, as for lack of file descriptors; each try counts.", s.accepts.failures.Load())
	m.single("wsrun_panics_total", "counter", "Panics that were contained: each is a bug of wsrun, and is logged.", s.o.Panics.Count())
	s.catalog.metrics(m)
	metrics.ExposeMetadata(true)
	metrics.WriteProcessMetrics(out)
}

// writeSessions writes the metrics of viewers, by form.
func (s *Server) writeSessions(m exposition) {
	tallies := s.sessions.Tallies()
	for _, f := range []struct {
		name, kind, help string
		value            func(hub.Tally) int64
	}{
		{"wsrun_viewers", "gauge", "Viewers that follow a stream now.", func(t hub.Tally) int64 { return t.Now }},
		{"wsrun_connects_total", "counter", "Viewers that have begun to follow a stream.", func(t hub.Tally) int64 { return t.Started }},
		{"wsrun_sent_bytes_total", "counter", "Bytes sent to viewers: payloads of WebSocket messages, bodies of HTTP answers.",
			func(t hub.Tally) int64 { return t.Sent }},
		{"wsrun_resets_total", "counter", "Times that a viewer was too slow for the ring and missed output.",
			func(t hub.Tally) int64 { return t.Resets }},
		{"wsrun_slow_closes_total", "counter", "Viewers dropped because they took nothing (WebSocket status 4008), or their first output too slowly.",
			func(t hub.Tally) int64 { return t.Slow }},
	} {
		m.family(f.name, f.kind, f.help)
		for form, t := range tallies {
			m.value(label(f.name, "kind", hub.Form(form).String()), f.value(t))
		}
	}
	if _, most := s.sessions.Slots(); most > 0 {
		m.single("wsrun_viewers_max", "gauge", "Viewers that there may be.", int64(most))
	}
}

// An exposition writes metrics in the Prometheus text format.
type exposition struct{ io.Writer }

// family writes the head of a metric; its values must follow.
func (m exposition) family(name, kind, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, kind)
}

func (m exposition) value(name string, v int64) { fmt.Fprintf(m, "%s %d\n", name, v) }

// single writes a metric that has one value.
func (m exposition) single(name, kind, help string, v int64) {
	m.family(name, kind, help)
	m.value(name, v)
}

// streams writes the metrics of all streams together.
func (m exposition) streams(in, chunks, ringBytes, ringLines int64) {
	m.single("wsrun_received_bytes_total", "counter", "Bytes that came from the source.", in)
	m.single("wsrun_chunks_total", "counter", "Chunks of output published; each is a write to each viewer.", chunks)
	m.single("wsrun_ring_bytes", "gauge", "Bytes kept for those who join late.", ringBytes)
	m.single("wsrun_ring_lines", "gauge", "Lines kept for those who join late.", ringLines)
}

// history writes the metrics of the history.
func (m exposition) history(st history.Stats) {
	m.single("wsrun_history_bytes", "gauge", "Bytes of the history's file in use.", st.Size)
	m.single("wsrun_history_read_bytes_total", "counter", "Bytes read from the history's file.", st.Read)
	m.single("wsrun_history_dropped_bytes_total", "counter", "Bytes of output dropped from the history to make room.", st.Dropped)
	m.single("wsrun_history_missed_bytes_total", "counter",
		"Bytes of output that the history could not store, because the disk was too slow or failed.", st.Missed)
	m.single("wsrun_history_errors_total", "counter", "Problems with the history's disk.", st.Failures)
}

// label returns a metric's name with a label. The value must not need escaping.
func label(name, key, value string) string { return fmt.Sprintf(`%s{%s="%s"}`, name, key, value) }
