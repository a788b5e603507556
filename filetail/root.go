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
	// maxPath is the longest path that is looked at: PATH_MAX of Linux.
	maxPath = 4096
	// maxHops is how many symbolic links one path may lead over: the limit of
	// Linux (path_resolution(7)).
	maxHops = 40
)

// ErrNotFound is nearly the only error of [Root.Open]: a stranger must not learn
// whether what may not be read exists. ErrBusy is the other, for want of file
// descriptors, which the kernel looks at before the name.
var (
	ErrNotFound = errors.New("no such file")
	ErrBusy     = errors.New("too many files are open")
)

// errNotRegular is what openRegular says of all that is no regular file.
var errNotRegular = errors.New("not a regular file")

// A Root is the set of files that may be read: some files, and all regular files
// below some directories. Its methods may be called concurrently.
//
// Two things no Root can see: a hard link below a directory is as good as any
// other file there, wherever its other names are; and what is mounted below a
// directory is part of it.
type Root struct {
	grants []*grant // the longest path first
	closed atomic.Bool
}

// NewRoot returns a Root of the given files and directories. All must exist and be
// readable; the error says which is not, and wraps [fs.ErrNotExist] or
// [fs.ErrPermission] where it is one of those. The caller must call Close.
//
// A directory given is held: if its name is later given to another directory, that
// one is read; if to a symbolic link, it is not. Of a file given, only the name
// counts, and is looked up at each opening, so it may be rotated; if it was no
// symbolic link when given and becomes one, it is followed like any other: to what
// is in the Root.
//
// A symbolic link given was meant as such by who gave it: whatever it points to at
// the time of an opening may be read, wherever that is. The same goes for links
// among the parents of what is given.
func NewRoot(paths ...string) (*Root, error) {
	r := new(Root)
	for _, name := range paths {
		p, err := newGrant(name)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("read %q: %w", name, cause(err))
		}
		r.grants = append(r.grants, p)
	}
	slices.SortStableFunc(r.grants, func(a, b *grant) int { return len(b.path) - len(a.path) })
	return r, nil
}

// Close gives the directories back. Files that are open stay so; Open finds none
// from now on. It may be called more than once.
func (r *Root) Close() error {
	r.closed.Store(true)
	for _, p := range r.grants {
		p.close()
	}
	return nil
}

// Open opens the regular file at an absolute path with slashes, as a URL has it
// when its percent signs are resolved (on Windows "/C:/logs/a.log"), for reading.
// Everything else is [ErrNotFound]: what is not below the Root, does not exist, may
// not be read or is no regular file, and every path that is not in its shortest
// form, or has a NUL or a backslash in it. It does not wait, whatever the path
// names, and nothing but a regular file is opened, unless it is put in another's
// place in that very moment; then it is closed unread.
//
// Symbolic links are followed if what they point to could be opened by its own path.
// ".." in a link's target is taken off the name before it, as path.Clean does.
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

func (r *Root) open(name string) (*os.File, error) {
	asked := true
	for hops := maxHops; hops > 0; {
		if !valid(name) || r.closed.Load() {
			return nil, ErrNotFound
		}
		next := ""
		for _, p := range r.grants {
			rel, ok := p.below(name, asked)
			if !ok {
				continue
			}
			f, out, err := p.open(rel, &hops)
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

// behind returns the path that name leads to when the first of its directories below
// a place that is a link is replaced by its target; "" if none is.
func (r *Root) behind(name string) string {
	for _, p := range r.grants {
		rel, ok := p.below(name, true)
		if !ok {
			continue
		}
		if p.file != "" {
			return ""
		}
		next := p.current().expand(path.Dir(rel))
		if next == "" {
			return ""
		}
		for _, p := range r.grants {
			if rel, ok := p.below(next, false); ok && p.file == "" {
				next = path.Join(p.path, rel)
				break
			}
		}
		return path.Join(next, path.Base(name))
	}
	return ""
}

// readable reports whether the file of this path and info can be opened. What
// everybody may read is not tried.
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

// valid reports whether a path is absolute, in its shortest form, and one that
// means the same to every system.
func valid(name string) bool {
	return len(name) <= maxPath && strings.HasPrefix(name, "/") && path.Clean(name) == name && !strings.ContainsAny(name, "\x00\\")
}

// below returns the rest of name behind dir. Whole segments count: /var/log-old is
// not below /var/log.
func below(dir, name string) (rel string, ok bool) {
	if name == dir {
		return ".", true
	}
	return strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// slashed returns an absolute path of the system's as Root's paths are.
func slashed(native string) string {
	s := filepath.ToSlash(native)
	if !strings.HasPrefix(s, "/") {
		s = "/" + s
	}
	return s
}

// openRegular opens what stat and open find, if it is a regular file: before, since
// opening a device or a FIFO can be felt on its other side; and after, since it may
// have been replaced in between.
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

// cause returns an error without the operation and path that the os package adds:
// the message that wraps it has the path as the user gave it.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
