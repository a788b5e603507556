package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"wsrun/broadcaster"
	"wsrun/hub"
)

// A command is a source: a program under a PTY, with the local terminal attached to it.
type command struct {
	title string
	path  string   // of the program
	args  []string // with the program's name as the first
	asked size     // of the PTY; zero means that it follows the local terminal's
	size  size     // of the PTY at the start, once prepare has decided
	quiet bool     // standard output gets no copy of the output
}

// describe implements [source].
func (c *command) describe() hub.Options {
	return hub.Options{Kind: hub.Command, Title: c.title, Command: c.args}
}

// prepare implements [source].
func (c *command) prepare(sink broadcaster.Sink) {
	c.size = startSize(c.asked)
	sink.Emit(c.size.event())
}

// lookPath returns the path of the program that a command's first word names.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if name == "" {
		err = exec.ErrNotFound
	}
	if err != nil {
		return "", commandFailure(name, err)
	}
	return path, nil
}

// commandFailure turns the reason why a command was not found, or could not be started,
// into a failure with the exit status that shells use for it.
func commandFailure(name string, err error) error {
	switch {
	case errors.Is(err, exec.ErrDot):
		return &failure{fmt.Errorf("run %q: it is only in the current directory", name), exitNotExecutable, "write ./" + name}
	case errors.Is(err, fs.ErrNotExist) && exists(name):
		return &failure{fmt.Errorf("run %q: its interpreter is missing", name), exitNotExecutable, "look at its first line"}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &failure{fmt.Errorf("command not found: %q", name), exitNotFound, ""}
	case errors.Is(err, syscall.EISDIR):
		return &failure{fmt.Errorf("run %q: it is a directory", name), exitNotExecutable, ""}
	case errors.Is(err, fs.ErrPermission):
		return &failure{fmt.Errorf("run %q: permission denied", name), exitNotExecutable, ""}
	case errors.Is(err, syscall.ENOEXEC):
		return &failure{fmt.Errorf("run %q: not a program", name), exitNotExecutable, "a script needs a first line such as #!/bin/sh"}
	}
	return fail(err, "")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
