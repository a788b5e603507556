package filetail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

const (
	// maxPath is the longest path that is accepted: PATH_MAX of Linux.
	maxPath = 4096
	// maxHops is how many symbolic links one path may lead through: the limit of Linux
	// (path_resolution(7)).
	maxHops = 40
)

// ErrNotFound is nearly the only error of [Root.Open], because a stranger must not learn
// whether a file that may not be read exists. ErrBusy is the only other one: the process or
// the system is out of file descriptors, which the kernel checks before the name.
var (
	ErrNotFound = errors.New("no such file")
	ErrBusy     = errors.New("too many files are open")
)

// errNotRegular is openRegular's error for anything that is not a regular file.
var errNotRegular = errors.New("not a regular file")

// A Root is the set of files that may be read: some files, and all regular files below some
// directories. Its methods may be called concurrently.
//
// A Root can't see two things: a hard link below a directory is like any other file there,
// wherever its other names are, and whatever is mounted below a directory is part of it.
type Root struct {
	grants []*grant // the longest path first
	closed atomic.Bool
}

// NewRoot returns a Root of the given files and directories. All must exist and be
// readable; the error names the first that is not, and wraps [fs.ErrNotExist] or
// [fs.ErrPermission] if it is one of these. The caller must call Close.
//
// A directory given is held open. If its name is later given to another directory, Open
// reads that one; if the name becomes a symbolic link, Open keeps to the directory held. Of
// a file given, only the name counts: each Open looks it up again, so the file may be
// rotated. If the name was no symbolic link when given and becomes one, Open follows it
// like any other link, only to what is in the Root.
//
// If a path given is a symbolic link, the caller meant the link: whatever it leads to when
// a file is opened may be read, wherever that is. The same is true of links among the
// parents of a path given.
func NewRoot(paths ...string) (*Root, error) {
	r := new(Root)
	for _, name := range paths {
		g, err := newGrant(name)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("read %q: %w", name, cause(err))
		}
		r.grants = append(r.grants, g)
	}
	slices.SortStableFunc(r.grants, func(a, b *grant) int { return len(b.path) - len(a.path) })
	return r, nil
}

// Close closes the directories held. Files that are open stay open; Open fails from now on.
// Close may be called more than once.
func (r *Root) Close() error {
	r.closed.Store(true)
	for _, g := range r.grants {
		g.close()
	}
	return nil
}

// Open opens, for reading, the regular file at an absolute path with slashes, as a URL has
// it once its percent signs are resolved (on Windows, "/C:/logs/a.log"). Everything else is
// [ErrNotFound]: what is not in the Root, does not exist, may not be read or is not a
// regular file, and every path that is not in its shortest form or contains a NUL or a
// backslash. Open does not block, whatever the path names. It opens nothing but regular
// files, unless another file takes a regular file's place at that very moment; it then
// closes that file unread.
//
// Open follows symbolic links if what they lead to could be opened by its own path. ".." in
// a link's target removes the name before it, as in [path.Clean].
func (r *Root) Open(name string) (*os.File, error) {
	f, err := r.open(name)
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return nil, ErrBusy
	case err != nil:
		return nil, ErrNotFound
	}
	return f, nil
}

// open is Open with the errors of the system.
func (r *Root) open(name string) (*os.File, error) {
	asked := true
	for hops := maxHops; hops > 0; {
		if !valid(name) || r.closed.Load() {
			return nil, ErrNotFound
		}
		next := ""
		for _, g := range r.grants {
			rel, ok := g.below(name, asked)
			if !ok {
				continue
			}
			f, out, err := g.open(rel, &hops)
			if err == nil || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				return f, err
			}
			if next == "" {
				next = out
			}
		}
		name, asked = next, false
	}
	return nil, ErrNotFound
}

// behind returns the path that name leads to when the first link among its directories
// below a grant is replaced by the link's target, or "" if there is no link.
func (r *Root) behind(name string) string {
	for _, g := range r.grants {
		rel, ok := g.below(name, true)
		if !ok {
			continue
		}
		if g.file != "" {
			return ""
		}
		next := g.current().expand(path.Dir(rel))
		if next == "" {
			return ""
		}
		for _, g := range r.grants {
			if rel, ok := g.below(next, false); ok && g.file == "" {
				next = path.Join(g.path, rel)
				break
			}
		}
		return path.Join(next, path.Base(name))
	}
	return ""
}

// readable reports whether the file with this path and info can be opened. It doesn't try
// if everyone may read the file.
func (r *Root) readable(name string, info fs.FileInfo) bool {
	const byAll = 0o004
	if info.Mode().Perm()&byAll != 0 {
		return true
	}
	f, err := r.open(name)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// valid reports whether a path is absolute, in its shortest form, and means the same on
// every system.
func valid(name string) bool {
	return len(name) <= maxPath && strings.HasPrefix(name, "/") && path.Clean(name) == name && !strings.ContainsAny(name, "\x00\\")
}

// below returns the rest of name below dir. It compares whole segments: /var/log-old is not
// below /var/log.
func below(dir, name string) (rel string, ok bool) {
	if name == dir {
		return ".", true
	}
	return strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// slashed returns an absolute path of the system in the form of a Root's paths.
func slashed(native string) string {
	s := filepath.ToSlash(native)
	if !strings.HasPrefix(s, "/") {
		s = "/" + s
	}
	return s
}

// openRegular opens a file with open if it is regular. It checks before, with stat, because
// opening a device or a FIFO has effects on its other side, and afterwards, because the
// file may have been replaced in between.
func openRegular(stat func() (fs.FileInfo, error), open func() (*os.File, error)) (*os.File, error) {
	info, err := stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// cause returns an error without the operation and path that the os package adds, because
// the message that wraps it has the path as the user gave it.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
