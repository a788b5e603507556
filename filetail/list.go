package filetail

import (
	"cmp"
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	// maxListed is how many files a list has: more is nothing to look through.
	maxListed = 10_000
	// maxSeen is how many names are looked at for it, in some tenths of a second.
	maxSeen = 200_000
	// dirBatch is how many names are read at a time: a directory may hold millions.
	dirBatch = 256
)

// A File is one that [Root.Open] opens by Path.
type File struct {
	Path    string
	Size    int64
	ModTime time.Time
}

// ListOptions says which files [Root.List] returns. The zero value is all but those
// whose name, or a directory's above them, begins with a dot.
//
// A pattern is one of [path.Match], and "**" as a whole segment is any number of
// segments. Without a slash it is matched against the last name; with one at its
// front against the absolute path; else against the path below the directory given.
type ListOptions struct {
	Hidden  bool     // dotfiles too
	Include []string // if any, only files that match one of them
	Exclude []string // no file that matches one of them, and none below such a directory
}

// List returns the files that Open opens, newest first, at most 10,000; cut reports
// that there are more, or that more than 200,000 names are there and not all were
// looked at. The error is ctx's, or that of [ListOptions.Check].
//
// Files given to NewRoot are always listed. Symbolic links to files are listed by
// their own name; directories behind links are not, since what is in them has a
// name of its own.
func (r *Root) List(ctx context.Context, o ListOptions) (files []File, cut bool, err error) {
	if err := o.Check(); err != nil {
		return nil, false, err
	}
	l := &lister{root: r, o: o, listed: map[string]bool{}}
	for _, p := range r.grants {
		if err := l.addGrant(ctx, p); err != nil {
			return nil, false, err
		}
	}
	l.trim()
	return l.files, l.cut, nil
}

// Shows reports whether List would list a file of this path, if there were one.
// Behind a link of a directory, that goes for the name there as well. It opens
// nothing.
func (r *Root) Shows(name string, o ListOptions) bool {
	for range maxHops {
		if !valid(name) || !r.listable(name, o) {
			return false
		}
		next := r.behind(name)
		if next == "" {
			return true
		}
		name = next
	}
	return false
}

// listable is Shows by the name alone.
func (r *Root) listable(name string, o ListOptions) bool {
	return slices.ContainsFunc(r.grants, func(p *grant) bool {
		if p.file != "" {
			return name == p.path
		}
		rel, ok := below(p.path, name)
		if !ok || rel == "." {
			return false
		}
		for end := len(rel); end >= 0; end = strings.LastIndexByte(rel[:end], '/') {
			part, abs := rel[:end], name[:len(name)-len(rel)+end]
			if !o.Hidden && part[strings.LastIndexByte(part, '/')+1] == '.' || matchAny(o.Exclude, part, abs) {
				return false
			}
		}
		return len(o.Include) == 0 || matchAny(o.Include, rel, name)
	})
}

// A lister collects the files of a [Root.List].
type lister struct {
	root   *Root
	o      ListOptions
	files  []File
	listed map[string]bool // paths in files; places may overlap
	seen   int
	cut    bool
}

func (l *lister) addGrant(ctx context.Context, p *grant) error {
	if p.file != "" {
		l.add(p.path)
		return nil
	}
	h := p.current()
	for dirs := []string{"."}; len(dirs) > 0; {
		dir := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		f, err := h.root.OpenFile(dir, readFlags, 0)
		if err != nil {
			continue
		}
		for {
			entries, err := f.ReadDir(dirBatch)
			for _, e := range entries {
				if l.entry(p.path, path.Join(dir, e.Name()), e) {
					dirs = append(dirs, path.Join(dir, e.Name()))
				}
			}
			if err != nil || ctx.Err() != nil || l.seen > maxSeen {
				break
			}
		}
		f.Close()
		if ctx.Err() != nil || l.seen > maxSeen {
			break
		}
	}
	return ctx.Err()
}

// entry adds what is to be listed, and reports whether it is a directory to look
// into.
func (l *lister) entry(base, rel string, e fs.DirEntry) bool {
	if l.seen++; l.seen > maxSeen {
		l.cut = true
		return false
	}
	name := path.Join(base, rel)
	if !l.o.Hidden && strings.HasPrefix(e.Name(), ".") || !valid(name) || matchAny(l.o.Exclude, rel, name) {
		return false
	}
	if e.IsDir() {
		return true
	}
	if len(l.o.Include) > 0 && !matchAny(l.o.Include, rel, name) {
		return false
	}
	switch info, err := e.Info(); {
	case err != nil:
	case info.Mode()&fs.ModeSymlink != 0:
		l.add(name)
	case info.Mode().IsRegular() && l.root.readable(name, info):
		l.put(name, info)
	}
	return false
}

// add lists a file by what opening it finds.
func (l *lister) add(name string) {
	f, err := l.root.open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		l.put(name, info)
	}
}

func (l *lister) put(name string, info fs.FileInfo) {
	if l.listed[name] {
		return
	}
	l.listed[name] = true
	l.files = append(l.files, File{name, info.Size(), info.ModTime()})
	if len(l.files) >= 2*maxListed {
		l.trim()
	}
}

// trim sorts the files and drops the oldest of too many.
func (l *lister) trim() {
	slices.SortFunc(l.files, func(a, b File) int {
		return cmp.Or(b.ModTime.Compare(a.ModTime), strings.Compare(a.Path, b.Path))
	})
	if len(l.files) > maxListed {
		l.files = l.files[:maxListed]
		l.cut = true
	}
}
