package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/pflag"

	"wsrun/hub"
	"wsrun/internal/tty"
)

const (
	// logQueueLines is how many of the server's log lines may wait for standard error.
	logQueueLines = 256
	// logFlushTime is how long the end waits for those lines to be written.
	logFlushTime = time.Second
)

// A logLevel is the lowest level that is logged.
type logLevel slog.Level

func (l *logLevel) Set(s string) error {
	var level slog.Level
	if s != strings.ToLower(s) || strings.ContainsAny(s, "+-") || level.UnmarshalText([]byte(s)) != nil {
		return errors.New("want debug, info, warn or error")
	}
	*l = logLevel(level)
	return nil
}
func (l *logLevel) String() string { return strings.ToLower(slog.Level(*l).String()) }
func (*logLevel) Type() string     { return "level" }

// A logFormat is text or json.
type logFormat struct{ json bool }

func (f *logFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return errors.New("want text or json")
	}
	f.json = s == "json"
	return nil
}

func (f *logFormat) String() string {
	if f.json {
		return "json"
	}
	return "text"
}
func (*logFormat) Type() string { return "format" }

// A logHandler is the default logger's handler. It writes wsrun's own messages to
// standard error, one line each.
type logHandler struct {
	slog.Handler
	options *slog.HandlerOptions
	json    bool
}

// newLogHandler returns a handler that writes lines to w.
func newLogHandler(w io.Writer, level slog.Level, json bool) *logHandler {
	h := &logHandler{options: &slog.HandlerOptions{Level: level}, json: json}
	if json {
		h.Handler = slog.NewJSONHandler(asciiWriter{w}, h.options)
	} else {
		h.Handler = slog.NewTextHandler(prefixWriter{w}, h.options)
	}
	return h
}

// setLogHandler sets the default logger's handler as the flags ask.
func setLogHandler(flags *pflag.FlagSet) {
	level, format := flags.Lookup("log-level"), flags.Lookup("log-format")
	if level == nil || format == nil { // one of cobra's own commands
		return
	}
	slog.SetDefault(slog.New(newLogHandler(stderr{}, slog.Level(*level.Value.(*logLevel)), format.Value.(*logFormat).json)))
}

// jsonHandler returns the default logger's handler, and reports whether it writes JSON.
func jsonHandler() (h *logHandler, ok bool) {
	h, ok = slog.Default().Handler().(*logHandler)
	return h, ok && h.json
}

// say prints a message of wsrun's own on standard error. Control characters are
// escaped, so that text from the user can't control the terminal.
func say(format string, args ...any) { sayHint(slog.LevelInfo, fmt.Sprintf(format, args...), "") }

// sayHint prints a message, and a hint unless that is empty. --log-level does not
// apply to either.
func sayHint(level slog.Level, text, hint string) {
	if h, ok := jsonHandler(); ok {
		r := slog.NewRecord(time.Now(), level, text, 0)
		if hint != "" {
			r.AddAttrs(slog.String("hint", hint))
		}
		h.Handle(context.Background(), r)
		return
	}
	fmt.Fprintf(stderr{}, "wsrun: %s\n", escapeControls(text))
	if hint != "" {
		fmt.Fprintf(stderr{}, "wsrun: hint: %s\n", escapeControls(hint))
	}
}

// escapeControls replaces control characters with escapes.
func escapeControls(s string) string {
	var line strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) {
			fmt.Fprintf(&line, `\x%02x`, r)
		} else {
			line.WriteRune(r)
		}
	}
	return line.String()
}

// stderr is a writer of lines to standard error. On a raw terminal it adds the carriage
// return that a line needs.
type stderr struct{}

func (stderr) Write(p []byte) (int, error) {
	if tty.NeedsReturn(os.Stderr) {
		p = append(bytes.TrimSuffix(p, []byte("\n")), "\r\n"...)
	}
	return blockingFile{os.Stderr}.Write(p)
}

// A prefixWriter writes slog's text, in which unprintable characters are quoted, and
// begins each line with wsrun's name.
type prefixWriter struct{ w io.Writer }

func (w prefixWriter) Write(p []byte) (int, error) {
	return w.w.Write(append([]byte("wsrun: "), p...))
}

// An asciiWriter writes slog's JSON and escapes every unprintable character: slog
// doesn't escape C1 controls, among others. Such characters occur only in strings.
type asciiWriter struct{ w io.Writer }

func (w asciiWriter) Write(p []byte) (int, error) {
	var line bytes.Buffer
	for _, r := range string(p) {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			line.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&line, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&line, `\u%04x`, r)
		}
	}
	return w.w.Write(line.Bytes())
}

// A logQueue is a writer of log lines that never blocks, so that a blocked standard
// error can't slow viewers down. Lines that don't fit are dropped and counted.
type logQueue struct {
	mu     sync.Mutex
	lines  chan []byte
	lost   int
	closed bool

	writing sync.WaitGroup // the goroutine that writes
	done    chan struct{}  // closed when the last line is written
}

// newServerLog returns the server's logger, what contains the server's panics and logs
// them there, and a function that flushes and ends the log. It starts a goroutine that
// writes to standard error. flush waits for that goroutine, but leaves it behind after
// logFlushTime.
func newServerLog(level slog.Level) (log *slog.Logger, panics *hub.Panics, flush func()) {
	q := &logQueue{lines: make(chan []byte, logQueueLines), done: make(chan struct{})}
	_, json := jsonHandler()
	log = slog.New(newLogHandler(q, level, json))
	panics = hub.NewPanics(log)
	panics.KeepRunning(&q.writing, "write the log", q.writeAll, nil)
	return log, panics, q.close
}

// writeAll writes lines until the log is closed.
func (q *logQueue) writeAll() {
	for line := range q.lines {
		stderr{}.Write(line)
		if lost := q.takeLost(); lost > 0 {
			say("%d log lines were left out: standard error was too slow", lost)
		}
	}
	close(q.done)
}

// takeLost returns how many lines were dropped since the last call.
func (q *logQueue) takeLost() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	lost := q.lost
	q.lost = 0
	return lost
}

// Write implements [io.Writer].
func (q *logQueue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return len(p), nil
	}
	select {
	case q.lines <- bytes.Clone(p):
	default:
		q.lost++
	}
	return len(p), nil
}

// close ends the goroutine when it has written every line, and waits for that, but at
// most logFlushTime. Later lines are dropped.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	close(q.lines)
	q.mu.Unlock()
	select {
	case <-q.done:
	case <-time.After(logFlushTime):
	}
}
