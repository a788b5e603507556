package filetail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestList(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	put(t, base, map[string]string{
		"logs/a.log": "12345", "logs/b.txt": "", "logs/.hidden": "", "logs/.git/config": "", "logs/web/a.log": "", "logs/web/old/a.log.1.gz": "",
		"logs/web/old/deep/c.log": "", "logs/arch/x.log": "", "given.txt": "", "secret": "", `logs/back\slash`: "",
	})
	for link, target := range map[string]string{
		"logs/inside": "a.log", "logs/absolute": base + "/logs/b.txt", "logs/outside": "../secret", "logs/dir": "web", "logs/up": "..",
		"logs/loop": "loop", "logs/null": "/dev/null", "logs/dangling": "none",
	} {
		must(t, os.Symlink(target, filepath.Join(base, link)))
	}
	r, err := NewRoot(filepath.Join(base, "logs"), filepath.Join(base, "logs/web"), filepath.Join(base, "given.txt"))
	must(t, err)
	defer r.Close()
	all := "/given.txt a.log absolute arch/x.log b.txt inside web/a.log web/old/a.log.1.gz web/old/deep/c.log"
	for _, tt := range []struct {
		o    ListOptions
		want string
	}{
		{ListOptions{}, all},
		{ListOptions{Hidden: true}, ".git/config .hidden " + all},
		{ListOptions{Include: []string{"*.log"}}, "/given.txt a.log arch/x.log web/a.log web/old/deep/c.log"},
		{ListOptions{Include: []string{"*.log"}, Exclude: []string{"arch"}}, "/given.txt a.log web/a.log web/old/deep/c.log"},
		{ListOptions{Include: []string{"arch/*"}}, "/given.txt arch/x.log"},
		{ListOptions{Include: []string{"**/old/**"}}, "/given.txt web/old/a.log.1.gz web/old/deep/c.log"},
		{ListOptions{Include: []string{base + "/logs/*.txt"}}, "/given.txt b.txt"},
		{ListOptions{Exclude: []string{base + "/logs/**"}}, "/given.txt"},
		{ListOptions{Exclude: []string{"**"}}, "/given.txt"},
	} {
		files, cut, err := r.List(t.Context(), tt.o)
		var got []string
		for _, f := range files {
			got = append(got, strings.TrimPrefix(strings.TrimPrefix(f.Path, slashed(base)), "/logs/"))
		}
		slices.Sort(got)
		if got := strings.Join(got, " "); got != tt.want || cut || err != nil {
			t.Errorf("List(%+v) = %s, %v, %v; want %s", tt.o, got, cut, err, tt.want)
		}
		for _, f := range files {
			file, err := r.Open(f.Path)
			if err != nil {
				t.Errorf("%s is listed but can't be opened", f.Path)
				continue
			}
			if info, _ := file.Stat(); info.Size() != f.Size || !info.ModTime().Equal(f.ModTime) {
				t.Errorf("listed as %v, is %d bytes of %v", f, info.Size(), info.ModTime())
			}
			file.Close()
		}
	}
	if _, _, err := r.List(t.Context(), ListOptions{Exclude: []string{"a", "b/[x"}}); !errors.Is(err, path.ErrBadPattern) ||
		err.Error() != `match "b/[x": syntax error in pattern` {
		t.Errorf("a bad pattern: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.List(ctx, ListOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v, want context.Canceled", err)
	}
	must(t, r.Close())
	if files, _, err := r.List(t.Context(), ListOptions{}); len(files) > 0 || err != nil {
		t.Errorf("after Close: %v, %v", files, err)
	}
}

// TestListIsCut has more files than a list may have. The newest must be listed, in order.
func TestListIsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("makes more than maxListed files")
	}
	t.Parallel()
	dir := t.TempDir()
	now := time.Now().Truncate(time.Second)
	const more = 37
	for i := range maxListed + more {
		name := filepath.Join(dir, fmt.Sprint(i*7919%(maxListed+more)))
		f, err := os.Create(name)
		must(t, err)
		must(t, f.Close())
		must(t, os.Chtimes(name, now, now.Add(-time.Duration(i)*time.Second)))
	}
	r, err := NewRoot(dir)
	must(t, err)
	defer r.Close()
	begin := time.Now()
	files, cut, err := r.List(t.Context(), ListOptions{})
	t.Logf("listed in %v", time.Since(begin))
	if len(files) != maxListed || !cut || err != nil {
		t.Fatalf("List = %d files, %v, %v", len(files), cut, err)
	}
	for i, f := range files {
		if want := now.Add(-time.Duration(i) * time.Second); !f.ModTime.Equal(want) {
			t.Fatalf("file %d is of %v, want %v", i, f.ModTime, want)
		}
	}
}

// modelMatch is matchPath in the most obvious way.
func modelMatch(pattern, name []string) bool {
	switch {
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == "**":
		return modelMatch(pattern[1:], name) || len(name) > 0 && modelMatch(pattern, name[1:])
	case len(name) == 0:
		return false
	}
	ok, _ := path.Match(pattern[0], name[0])
	return ok && modelMatch(pattern[1:], name[1:])
}

func FuzzMatchPath(f *testing.F) {
	for _, pattern := range []string{"a", "**", "a/**", "**/a", "a/**/b", "**/a/**/b/**", "*/a?/[b-d]", "**/**/a"} {
		for _, name := range []string{"a", "a/b", "x/a", "a/x/y/b", "b/a/b/a/b", "x/ax/c", "a/a/a/b/b"} {
			f.Add(pattern, name)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, n := strings.Split(pattern, "/"), strings.Split(name, "/")
		if len(p) > 8 || len(n) > 12 {
			return // the model is exponential
		}
		if got, want := matchPath(p, n), modelMatch(p, n); got != want {
			t.Errorf("match %q with %q = %v, want %v", pattern, name, got, want)
		}
	})
}
