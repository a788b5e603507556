package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

// listen returns the socket that systemd passed, or otherwise a new one at addr, and
// the host that addr names.
func listen(addr string) (net.Listener, string, error) {
	passed, err := activation.Listeners()
	if err != nil {
		return nil, "", fail(fmt.Errorf("take the sockets that systemd passed: %w", err), "")
	}
	switch {
	case len(passed) > 1:
		return nil, "", fail(fmt.Errorf("systemd passed %d sockets, want one", len(passed)), "")
	case len(passed) == 1 && passed[0] == nil:
		return nil, "", fail(errors.New("what systemd passed is no listening socket"), "use ListenStream= in the socket unit")
	case len(passed) == 1:
		return passed[0], "", nil
	}
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		// An abstract socket (@) has no mode that could protect it.
		if path == "" || path[0] == '@' {
			return nil, "", fail(fmt.Errorf("bad address %q: want unix: and a path", addr), "")
		}
		l, err := listenUnix(path)
		return l, "", err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", fail(fmt.Errorf("bad address %q: want HOST:PORT or unix:PATH", addr), "")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		hint := ""
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = "another wsrun may be running; --addr " + net.JoinHostPort(host, "0") + " takes any free port"
		}
		return nil, "", fail(fmt.Errorf("listen on %q: %w", addr, cause(err)), hint)
	}
	return l, host, nil
}

// listenUnix listens at path, with a mode that lets only the user connect. It replaces
// an existing socket if no process is listening on it, and leaves anything else alone.
func listenUnix(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fail(fmt.Errorf("listen on %q: %w", "unix:"+path, cause(err)), "")
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fail(fmt.Errorf("listen on %q: it exists and is no socket", "unix:"+path), "")
	default:
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			conn.Close()
			return nil, fail(fmt.Errorf("listen on %q: somebody answers there", "unix:"+path), "")
		}
		if errors.Is(err, syscall.EPROTOTYPE) {
			return nil, fail(fmt.Errorf("listen on %q: there is a socket of another kind", "unix:"+path), "")
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fail(fmt.Errorf("listen on %q: %w", "unix:"+path, cause(err)), "")
		}
		if err := os.Remove(path); err != nil {
			return nil, fail(fmt.Errorf("replace %q: %w", "unix:"+path, cause(err)), "")
		}
	}
	restore := privateUmask()
	l, err := net.Listen("unix", path)
	restore()
	if errors.Is(err, syscall.EINVAL) {
		return nil, fail(fmt.Errorf("listen on %q: the path is too long for a socket", "unix:"+path), "")
	}
	if err != nil {
		return nil, fail(fmt.Errorf("listen on %q: %w", "unix:"+path, cause(err)), "")
	}
	return l, nil
}

// cause returns the system's own error, without wrappers that repeat what the message
// says already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
