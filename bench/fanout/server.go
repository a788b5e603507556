//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"wsrun/internal/protocol"
	"wsrun/test/launch"
)

const (
	// startTime is how long a server may take to listen.
	startTime = 10 * time.Second

	// settleTime is how long a server may be busy with viewers that have come. It is
	// quiet when it has used less than a hundredth of a processor for quietTime, which
	// is longer than wsrun waits with the news of their number.
	settleTime = 20 * time.Second
	quietTime  = 1100 * time.Millisecond
)

// programs are the paths of what is compared.
type programs struct {
	wsrun, rawfan string
	websocketd    string // "" where there is none
}

// A server runs, in a session of its own, until it is stopped or the context that it was
// started with is over. stop must be called.
type server struct {
	session
	form form
	addr string         // HOST:PORT
	in   io.WriteCloser // takes the lines

	launched *launch.Instance
	kept     func() bool // ends the watch for the context's end
}

// startWsrun starts wsrun. Without a command, in is what it broadcasts.
func (p programs) startWsrun(ctx context.Context, args ...string) (*server, error) {
	f := form{subprotocol: protocol.Subprotocol, opcode: protocol.OpBinary, lineBytes: lineBytes + 1} // \r\n
	return start(ctx, f, "wsrun: http://", launch.Command(p.wsrun, append([]string{"-q"}, args...)...))
}

func (p programs) startRawfan(ctx context.Context) (*server, error) {
	return start(ctx, form{opcode: protocol.OpBinary, lineBytes: lineBytes}, "rawfan: ", exec.Command(p.rawfan, "127.0.0.1:0"))
}

// startWebsocketd starts websocketd with a tail of a file for each viewer. As it takes
// some time until a tail is there, they show the file from its beginning.
func (p programs) startWebsocketd(ctx context.Context) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "fanout")
	if err != nil {
		return nil, err
	}
	f := form{opcode: protocol.OpText, lineBytes: lineBytes - 1, perMessage: true}
	s, err := start(ctx, f, "", exec.Command(p.websocketd, "--address=127.0.0.1", "--port="+port, "--loglevel=error",
		"tail", "-n", "+1", "-F", file.Name()))
	if err != nil {
		file.Close()
		os.Remove(file.Name())
		return nil, err
	}
	s.in.Close()
	s.in = temporary{file}
	s.addr = "127.0.0.1:" + port
	for {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			conn.Close()
			return s, nil
		}
		select {
		case <-ctx.Done():
			s.stop()
			return nil, context.Cause(ctx)
		case <-s.launched.Done():
			s.stop()
			return nil, errors.New("websocketd has ended")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// freePort returns a port that nobody listened on just now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// A temporary file is removed when it is closed.
type temporary struct{ *os.File }

func (t temporary) Close() error {
	return errors.Join(t.File.Close(), os.Remove(t.Name()))
}

// start starts a server and waits until it tells its address: what follows prefix in
// the first line of its standard error. Without a prefix it does not wait.
func start(ctx context.Context, f form, prefix string, cmd *exec.Cmd) (*server, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	i, err := launch.Start(cmd)
	if err != nil {
		return nil, err
	}
	s := &server{session: session(cmd.Process.Pid), form: f, in: i.Stdin, launched: i}
	s.kept = context.AfterFunc(ctx, s.kill)
	first := make(chan string, 1)
	go func() { // it ends with the process, for which stop waits
		line, _ := i.Errors.ReadString('\n')
		first <- strings.TrimSpace(line)
	}()
	if prefix == "" {
		return s, nil
	}
	select {
	case line := <-first:
		addr, ok := strings.CutPrefix(line, prefix)
		if !ok {
			s.stop()
			return nil, fmt.Errorf("%s says %q", filepath.Base(cmd.Path), line)
		}
		s.addr = strings.TrimSuffix(addr, "/")
		return s, nil
	case <-time.After(startTime):
		s.stop()
		return nil, fmt.Errorf("%s does not tell its address", filepath.Base(cmd.Path))
	case <-ctx.Done():
		s.stop()
		return nil, context.Cause(ctx)
	}
}

// settle waits until the server is quiet.
func (s *server) settle(ctx context.Context) error {
	end := time.Now().Add(settleTime)
	for before := s.cpu(); ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(quietTime):
		}
		now := s.cpu()
		if now-before < quietTime/100 || time.Now().After(end) {
			return nil
		}
		before = now
	}
}

// holding returns how many connections to the server's address have more than so many
// bytes that were not acknowledged (proc_net_tcp in the kernel's documentation).
func (s *server) holding(most int) (int, error) {
	at, err := netip.ParseAddrPort(s.addr)
	if err != nil {
		return 0, err
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range strings.Lines(string(table)) {
		var slot, local, remote, state string
		var unsent int
		if _, err := fmt.Sscanf(line, "%s %s %s %s %x:", &slot, &local, &remote, &state, &unsent); err != nil {
			continue // the heading
		}
		if strings.HasSuffix(local, fmt.Sprintf(":%04X", at.Port())) && unsent > most {
			n++
		}
	}
	return n, nil
}

// kill kills what is in the session and waits, for some time, until nothing is. What
// wsrun runs has a session of its own, which ends with its terminal.
func (s *server) kill() {
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		pids := s.pids()
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(pids) == 0 {
			return
		}
	}
}

// stop ends the server, and returns when it has ended.
func (s *server) stop() {
	s.kept()
	s.kill()
	s.launched.Wait()
	s.in.Close()
}
