//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"

	"wsrun/internal/rawsys"
)

const (
	floodLines = 200_000
	floodBytes = floodLines * (lineBytes + 1) // a terminal makes \n \r\n
)

// floodText is the flood, and floodCRC the checksum of what a terminal makes of it.
var (
	floodText = sync.OnceValue(func() []byte { return makeTexts(floodLines).lines(floodLines, time.Unix(0, 0)) })
	floodCRC  = sync.OnceValue(func() uint32 {
		return crc32.Checksum(bytes.ReplaceAll(floodText(), []byte("\n"), []byte("\r\n")), castagnoli)
	})
)

// A gate holds a flood back: a command that prints floodLines lines once the gate is
// opened. close must be called.
type gate struct {
	dir     string
	command []string
	w       *os.File // of the FIFO that the command reads to its end
}

func newGate() (*gate, error) {
	dir, err := os.MkdirTemp("", "fanout")
	if err != nil {
		return nil, err
	}
	fifo := filepath.Join(dir, "gate")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	path := filepath.Join(dir, "lines")
	if err := os.WriteFile(path, floodText(), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &gate{dir: dir, command: []string{"sh", "-c", `cat "$1" >/dev/null; exec cat "$2"`, "sh", fifo, path}}, nil
}

// wait waits until the command runs.
func (g *gate) wait(ctx context.Context) error {
	for {
		w, err := os.OpenFile(filepath.Join(g.dir, "gate"), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			g.w = w
			return nil
		}
		if !errors.Is(err, syscall.ENXIO) { // fifo(7): nobody reads
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
}

// open lets the flood go and returns when that was.
func (g *gate) open() time.Time {
	now := time.Now()
	g.w.Close()
	return now
}

func (g *gate) close() {
	if g.w != nil {
		g.w.Close()
	}
	os.RemoveAll(g.dir)
}

// wholeRing makes the ring hold all of a flood.
var wholeRing = []string{"--lines", "1000000", "--buffer", "64MiB"}

// flood measures how long wsrun, with additional flags, takes to bring the flood to so many viewers.
func flood(ctx context.Context, p programs, viewers int, flags []string) (figures, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runTime, errors.New("the run takes too long"))
	defer cancel()
	g, err := newGate()
	if err != nil {
		return nil, err
	}
	defer g.close()
	s, err := p.startWsrun(ctx, append(slices.Clone(flags), g.command...)...)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := g.wait(ctx); err != nil {
		return nil, err
	}
	l, err := startLoad(loadPlan{addr: s.addr, form: s.form, viewers: viewers, want: floodLines})
	if err != nil {
		return nil, err
	}
	defer l.close()
	if err := l.wait(ctx, l.opened); err != nil {
		return nil, fmt.Errorf("connect %d viewers: %w", viewers, err)
	}
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	begin := g.open()
	if err := l.wait(ctx, l.complete); err != nil {
		return nil, err
	}
	r, err := l.finish(floodLines)
	if err != nil {
		return nil, err
	}
	for _, v := range l.all {
		if v.crc != floodCRC() && v.data == floodBytes {
			r.faults.damaged++ // or some are lost, and others doubled
		}
	}
	f := wall(l.completed.Sub(begin))
	f["faults"] = float64(r.faults.sum())
	return f, nil
}

func wall(d time.Duration) figures {
	return figures{"wall": d.Seconds(), "speed": floodBytes / 1e6 / d.Seconds()}
}

// floodBare measures how long the bare loop takes for the flood.
func floodBare(ctx context.Context) (figures, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runTime, errors.New("the run takes too long"))
	defer cancel()
	g, err := newGate()
	if err != nil {
		return nil, err
	}
	defer g.close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"bare"}, g.command...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := g.wait(ctx); err != nil {
		return nil, errors.Join(err, cmd.Wait()) // ctx has ended it
	}
	begin := g.open()
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("the bare loop: %w", err)
	}
	var bytes, last int64
	if _, err := fmt.Sscan(out.String(), &bytes, &last); err != nil {
		return nil, fmt.Errorf("the bare loop says %q: %w", out.String(), err)
	}
	if bytes != floodBytes {
		return nil, fmt.Errorf("the bare loop has read %d bytes, not %d", bytes, floodBytes)
	}
	return wall(time.Unix(0, last).Sub(begin)), nil
}

// bare runs a command in a terminal, throws its output away, and prints how many bytes
// there were and when the last came, in nanoseconds since 1970.
func bare(command []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	terminal, err := pty.Start(cmd)
	if err != nil {
		return err
	}
	defer terminal.Close()
	r := rawsys.Reader(terminal) // as wsrun does
	buf := make([]byte, 64<<10)
	bytes, last := 0, time.Now()
	for {
		n, err := r.Read(buf)
		if err != nil { // EIO: the command has ended
			break
		}
		bytes += n
		last = time.Now()
	}
	fmt.Println(bytes, last.UnixNano())
	return cmd.Wait()
}
