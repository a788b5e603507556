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
	// maxListed is how many files a list has at most. Nobody looks through more.
	maxListed = 10_000
	// maxSeen is how many names are looked at for a list, which bounds the time it takes
	// (docs/facts.md, filetail).
	maxSeen = 200_000
	// dirBatch is how many names are read at a time: a directory may have millions.
	dirBatch = 256
)

// A File is a file that [Root.Open] opens by its Path.
type File struct {
	Path    string
	Size    int64
	ModTime time.Time
}

// ListOptions sets which files [Root.List] returns. The zero value means all files, except
// those with a name, or below a directory with a name, that begins with a dot.
//
// A pattern is one of [path.Match]; "**" as a whole segment matches any number of segments.
// A pattern without a slash is matched against the file's name, a pattern that begins with
// a slash against its absolute path, and any other against its path below the directory
// given to [NewRoot].
type ListOptions struct {
	Hidden  bool     // also list dotfiles
	Include []string // if not empty, list only files that match one of these patterns
	Exclude []string // omit files that match one of these patterns, or are below a directory that does
}

// List returns the files that Open opens, newest first, at most 10,000. cut reports that
// there are more files, or that there are more than 200,000 names and not all were looked
// at. The error is ctx's, or that of [ListOptions.Check].
//
// Files given to NewRoot are always listed. Symbolic links to files are listed under their
// own names. Directories behind links are not listed, because what is in them also has its
// own name.
func (r *Root) List(ctx context.Context, o ListOptions) (files []File, cut bool, err error) {
	if err := o.Check(); err != nil {
		return nil, false, err
	}
	l := &lister{root: r, o: o, listed: map[string]bool{}}
	for _, g := range r.grants {
		if err := l.addGrant(ctx, g); err != nil {
			return nil, false, err
		}
	}
	l.trim()
	return l.files, l.cut, nil
}

// Shows reports whether List would list a file of this path if it existed. If the path
// leads through a link to a directory, List would also have to list the file's path behind
// that link. Shows opens nothing.
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

// listable is Shows for the name alone, ignoring links.
func (r *Root) listable(name string, o ListOptions) bool {
	return slices.ContainsFunc(r.grants, func(g *grant) bool {
		if g.file != "" {
			return name == g.path
		}
		rel, ok := below(g.path, name)
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
	listed map[string]bool // the paths in files, because grants may overlap
	seen   int
	cut    bool
}

// addGrant lists the files of one grant. The error is ctx's.
func (l *lister) addGrant(ctx context.Context, g *grant) error {
	if g.file != "" {
		l.add(g.path)
		return nil
	}
	h := g.current()
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
				if l.entry(g.path, path.Join(dir, e.Name()), e) {
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

// entry lists a directory's entry if it belongs in the list, and reports whether it is a
// directory to descend into.
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

// add lists a file by opening it.
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

// put lists a file once.
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

// trim sorts the files and drops the oldest if there are too many.
func (l *lister) trim() {
	slices.SortFunc(l.files, func(a, b File) int {
		return cmp.Or(b.ModTime.Compare(a.ModTime), strings.Compare(a.Path, b.Path))
	})
	if len(l.files) > maxListed {
		l.files = l.files[:maxListed]
		l.cut = true
	}
}
