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
	file string // its last name if it is a file, else empty
	// linked says that it is a file whose name was a symbolic link when given.
	linked bool

	dir    string // the directory, or the file's, in the system's form
	follow bool   // dir's name was a symbolic link when given

	mu   sync.Mutex
	held held // renewed when dir has become another directory
}

// A held directory. Of what is in it only names below root are ever used.
type held struct {
	root *os.Root
	info fs.FileInfo
	real string // its path without symbolic links, slashed
}

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
	p := &grant{path: slashed(abs), dir: abs}
	switch {
	case info.Mode().IsRegular():
		p.dir, p.file = filepath.Split(abs)
		p.dir = filepath.Clean(p.dir)
		p.linked = isLink(abs)
	case !info.IsDir():
		return nil, errors.New("neither a file nor a directory")
	}
	p.follow = isLink(p.dir)
	if p.linked {
		f, err := p.openLinked()
		if err != nil {
			return nil, err
		}
		return p, f.Close()
	}
	if p.held, err = hold(p.dir); err != nil {
		return nil, err
	}
	f, err := openIn(p.held.root, ".")
	if p.file != "" {
		f, err = openIn(p.held.root, p.file)
	}
	switch {
	case err == nil:
		f.Close()
	case err != errNotRegular: // which a directory is
		p.held.root.Close()
		return nil, err
	}
	return p, nil
}

func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

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

func (p *grant) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held.root != nil {
		p.held.root.Close()
	}
}

// current returns the directory that has the name now, or that had it last. A name
// that was no link when given must not have become one: whoever may write to the
// parent could point it anywhere.
func (p *grant) current() held {
	stat := os.Lstat
	if p.follow {
		stat = os.Stat
	}
	info, err := stat(p.dir)
	p.mu.Lock()
	now := p.held
	p.mu.Unlock()
	if err != nil || !info.IsDir() || os.SameFile(info, now.info) {
		return now
	}
	next, err := hold(p.dir)
	if err != nil {
		return now
	}
	if !os.SameFile(info, next.info) {
		next.root.Close()
		return now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// The one before may be in use; its finalizer closes it.
	p.held = next
	return next
}

// below returns what to open in the place for a path; ok is false if the path is
// not in it. A path that was asked for must begin as the place was given; one that
// a link leads to may also begin with the place's real name.
func (p *grant) below(name string, asked bool) (rel string, ok bool) {
	if p.file != "" {
		if name == p.path {
			return p.file, true
		}
		if asked || p.linked {
			return "", false
		}
		return p.file, name == path.Join(p.current().real, p.file)
	}
	if rel, ok = below(p.path, name); ok || asked {
		return rel, ok
	}
	return below(p.current().real, name)
}

// open opens the regular file rel, over as many links as hops allows. If a link
// leads out of the place, next is the path where.
func (p *grant) open(rel string, hops *int) (f *os.File, next string, err error) {
	if p.linked {
		f, err = p.openLinked()
		return f, "", err
	}
	h := p.current()
	if p.file != "" {
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
		// os.Root refuses absolute links wherever they point, and more than eight.
		next = h.expand(rel)
		if next == "" {
			return nil, "", err
		}
		var ok bool
		if rel, ok = below(h.real, next); ok {
			continue
		}
		if rel, ok = below(slashed(p.dir), next); !ok {
			*hops--
			return nil, next, err
		}
	}
	return nil, "", ErrNotFound
}

// expand returns the absolute path that rel leads to when the first link in it is
// replaced by its target; "" if there is none.
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

func openIn(root *os.Root, rel string) (*os.File, error) {
	return openRegular(
		func() (fs.FileInfo, error) { return root.Stat(rel) },
		func() (*os.File, error) { return root.OpenFile(rel, readFlags, 0) },
	)
}

// openName is openIn for a name that must be the file's own, not a link's. os.Root
// can't be told not to follow links, so what it has opened is compared.
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

func (p *grant) openLinked() (*os.File, error) {
	name := filepath.Join(p.dir, p.file)
	return openRegular(
		func() (fs.FileInfo, error) { return os.Stat(name) },
		func() (*os.File, error) { return os.OpenFile(name, readFlags, 0) },
	)
}
