package filetail

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// A grant is one path given to [NewRoot].
type grant struct {
	path string // absolute, slashed
	file string // the path's last name if it is a file's, otherwise empty
	// linked reports that the path was a file's, and a symbolic link when it was given.
	linked bool

	dir    string // the directory, or the file's directory, in the system's form
	follow bool   // dir was a symbolic link when it was given

	mu   sync.Mutex
	held held // replaced when dir has become another directory
}

// A held is an open directory. Only names below root are ever used to open what is in it.
type held struct {
	root *os.Root
	info fs.FileInfo
	real string // the directory's path without symbolic links, slashed
}

// newGrant returns the grant for a path. Its caller must close it.
func newGrant(name string) (*grant, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if !valid(slashed(abs)) {
		return nil, errors.New("a path with such characters, or of such length, cannot be asked for")
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, err
	}
	g := &grant{path: slashed(abs), dir: abs}
	switch {
	case info.Mode().IsRegular():
		g.dir, g.file = filepath.Split(abs)
		g.dir = filepath.Clean(g.dir)
		g.linked = isLink(abs)
	case !info.IsDir():
		return nil, errors.New("neither a file nor a directory")
	}
	g.follow = isLink(g.dir)
	if g.linked {
		f, err := g.openLinked()
		if err != nil {
			return nil, err
		}
		return g, f.Close()
	}
	if g.held, err = hold(g.dir); err != nil {
		return nil, err
	}
	f, err := openIn(g.held.root, ".")
	if g.file != "" {
		f, err = openIn(g.held.root, g.file)
	}
	switch {
	case err == nil:
		f.Close()
	case err != errNotRegular: // the error for a directory
		g.held.root.Close()
		return nil, err
	}
	return g, nil
}

// isLink reports whether name is a symbolic link.
func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// hold opens a directory.
func hold(dir string) (held, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return held{}, err
	}
	info, err := root.Stat(".")
	if err != nil {
		root.Close()
		return held{}, err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		root.Close()
		return held{}, err
	}
	return held{root, info, slashed(real)}, nil
}

// close closes the directory held.
func (g *grant) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held.root != nil {
		g.held.root.Close()
	}
}

// current returns the directory that has the name now or, if none has, that had it last. If
// the name was no link when given, it must not have become one: anyone who may write to the
// parent directory could point it anywhere.
func (g *grant) current() held {
	stat := os.Lstat
	if g.follow {
		stat = os.Stat
	}
	info, err := stat(g.dir)
	g.mu.Lock()
	now := g.held
	g.mu.Unlock()
	if err != nil || !info.IsDir() || os.SameFile(info, now.info) {
		return now
	}
	next, err := hold(g.dir)
	if err != nil {
		return now
	}
	if !os.SameFile(info, next.info) {
		next.root.Close()
		return now
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	// The previous directory may be in use. Its finalizer closes it.
	g.held = next
	return next
}

// below returns what to open in the grant's directory for a path; ok is false if the path
// is not in the grant. A path that a caller asked for must begin as the grant was given; a
// path that a link leads to may also begin with the grant's real name.
func (g *grant) below(name string, asked bool) (rel string, ok bool) {
	if g.file != "" {
		if name == g.path {
			return g.file, true
		}
		if asked || g.linked {
			return "", false
		}
		return g.file, name == path.Join(g.current().real, g.file)
	}
	if rel, ok = below(g.path, name); ok || asked {
		return rel, ok
	}
	return below(g.current().real, name)
}

// open opens the regular file rel, following as many links as hops allows. If a link leads
// out of the grant, next is the path it leads to.
func (g *grant) open(rel string, hops *int) (f *os.File, next string, err error) {
	if g.linked {
		f, err = g.openLinked()
		return f, "", err
	}
	h := g.current()
	if g.file != "" {
		if f, err = openName(h.root, rel); err != nil {
			*hops--
			next = h.expand(rel)
		}
		return f, next, err
	}
	for ; *hops > 0; *hops-- {
		f, err = openIn(h.root, rel)
		if err == nil || err == errNotRegular || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return f, "", err
		}
		// os.Root refuses absolute links, wherever they lead, and more than eight links.
		next = h.expand(rel)
		if next == "" {
			return nil, "", err
		}
		var ok bool
		if rel, ok = below(h.real, next); ok {
			continue
		}
		if rel, ok = below(slashed(g.dir), next); !ok {
			*hops--
			return nil, next, err
		}
	}
	return nil, "", ErrNotFound
}

// expand returns the absolute path that rel leads to when the first link in it is replaced
// by the link's target, or "" if there is no link.
func (h held) expand(rel string) string {
	segments := strings.Split(rel, "/")
	for i := range segments {
		head := path.Join(segments[:i+1]...)
		info, err := h.root.Lstat(head)
		if err != nil {
			return ""
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := h.root.Readlink(head)
		if err != nil {
			return ""
		}
		if filepath.IsAbs(target) {
			target = slashed(target)
		} else {
			target = path.Join(h.real, path.Dir(head), filepath.ToSlash(target))
		}
		return path.Join(target, path.Join(segments[i+1:]...))
	}
	return ""
}

// openIn opens the regular file rel below root.
func openIn(root *os.Root, rel string) (*os.File, error) {
	return openRegular(
		func() (fs.FileInfo, error) { return root.Stat(rel) },
		func() (*os.File, error) { return root.OpenFile(rel, readFlags, 0) },
	)
}

// openName is openIn for a name that must be the file's own, not a link. os.Root can't be
// told not to follow links, so openName checks afterwards which file was opened.
func openName(root *os.Root, name string) (*os.File, error) {
	var before fs.FileInfo
	f, err := openRegular(
		func() (info fs.FileInfo, err error) { before, err = root.Lstat(name); return before, err },
		func() (*os.File, error) { return root.OpenFile(name, readFlags, 0) },
	)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !os.SameFile(info, before) {
		f.Close()
		return nil, errNotRegular
	}
	return f, nil
}

// openLinked opens the regular file that the link given leads to now.
func (g *grant) openLinked() (*os.File, error) {
	name := filepath.Join(g.dir, g.file)
	return openRegular(
		func() (fs.FileInfo, error) { return os.Stat(name) },
		func() (*os.File, error) { return os.OpenFile(name, readFlags, 0) },
	)
}
