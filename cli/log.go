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

	"wsrun/internal/tty"
)

const (
	// logQueue is how many lines of the server's may wait for standard error.
	logQueue = 256
	// logFlushTime is how long they are waited for at the end.
	logFlushTime = time.Second
)

// logLevel is the least level that is logged.
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

// logFormat is text or json.
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

// An output is what wsrun's own words go through: the default logger's handler. It
// writes each as a line to standard error.
type output struct {
	slog.Handler
	options *slog.HandlerOptions
	json    bool
}

// newOutput returns an output that writes lines to w.
func newOutput(w io.Writer, level slog.Level, json bool) *output {
	o := &output{options: &slog.HandlerOptions{Level: level}, json: json}
	if json {
		o.Handler = slog.NewJSONHandler(asciiJSON{w}, o.options)
	} else {
		o.Handler = slog.NewTextHandler(prefixed{w}, o.options)
	}
	return o
}

// setOutput makes the flags' output the default logger's.
func setOutput(flags *pflag.FlagSet) {
	level, format := flags.Lookup("log-level"), flags.Lookup("log-format")
	if level == nil || format == nil { // of a command of cobra's
		return
	}
	slog.SetDefault(slog.New(newOutput(stderr{}, slog.Level(*level.Value.(*logLevel)), format.Value.(*logFormat).json)))
}

// inJSON tells whether wsrun's own words are JSON, and returns the handler.
func inJSON() (*output, bool) {
	out, ok := slog.Default().Handler().(*output)
	return out, ok && out.json
}

// say prints a line of wsrun's own on standard error. Control characters in what
// the user gave can't drive the terminal.
func say(format string, args ...any) { speak(slog.LevelInfo, fmt.Sprintf(format, args...), "") }

// speak prints a line, whatever --log-level is, and a hint if that is not empty.
func speak(level slog.Level, text, hint string) {
	if out, ok := inJSON(); ok {
		r := slog.NewRecord(time.Now(), level, text, 0)
		if hint != "" {
			r.AddAttrs(slog.String("hint", hint))
		}
		out.Handle(context.Background(), r)
		return
	}
	fmt.Fprintf(stderr{}, "wsrun: %s\n", visible(text))
	if hint != "" {
		fmt.Fprintf(stderr{}, "wsrun: hint: %s\n", visible(hint))
	}
}

// visible writes control characters as escapes.
func visible(s string) string {
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

// stderr writes a line to standard error. A raw terminal needs a carriage return.
type stderr struct{}

func (stderr) Write(p []byte) (int, error) {
	if tty.NeedsReturn(os.Stderr) {
		p = append(bytes.TrimSuffix(p, []byte("\n")), "\r\n"...)
	}
	return patient{os.Stderr}.Write(p)
}

// prefixed is for slog's text, which quotes what does not print.
type prefixed struct{ w io.Writer }

func (w prefixed) Write(p []byte) (int, error) {
	return w.w.Write(append([]byte("wsrun: "), p...))
}

// asciiJSON is for slog's JSON, which leaves C1 controls, among others, as they are:
// it escapes what does not print. That is only ever in strings.
type asciiJSON struct{ w io.Writer }

func (w asciiJSON) Write(p []byte) (int, error) {
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

// A logQueued is a writer of log lines that never waits: a standard error that takes
// nothing holds up no viewer. What does not fit is left out, and counted.
type logQueued struct {
	mu     sync.Mutex
	lines  chan []byte
	lost   int
	closed bool
	done   chan struct{}
}

// serverLog returns the server's logger. It starts a goroutine, which ends with the
// function that it returns, or stays behind if standard error takes nothing.
func serverLog(level slog.Level) (*slog.Logger, func()) {
	q := &logQueued{lines: make(chan []byte, logQueue), done: make(chan struct{})}
	go func() {
		defer close(q.done)
		for line := range q.lines {
			stderr{}.Write(line)
			q.mu.Lock()
			lost := q.lost
			q.lost = 0
			q.mu.Unlock()
			if lost > 0 {
				say("%d log lines were left out: standard error was too slow", lost)
			}
		}
	}()
	_, json := inJSON()
	return slog.New(newOutput(q, level, json)), q.close
}

// Write implements [io.Writer].
func (q *logQueued) Write(p []byte) (int, error) {
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

func (q *logQueued) close() {
	q.mu.Lock()
	q.closed = true
	close(q.lines)
	q.mu.Unlock()
	select {
	case <-q.done:
	case <-time.After(logFlushTime):
	}
}
