package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// firstImports lists, by page, the modules that the entry module always imports dynamically
// at the start, so that it can carry on if such an import fails.
var firstImports = map[string][]string{
	"index.html": {"output.js"}, // fails in a build without xterm.js
}

var (
	entryModule   = regexp.MustCompile(`<script type="module" src="{{static}}/([^"]+)"`)
	preloaded     = regexp.MustCompile(`<link rel="modulepreload" href="{{static}}/([^"]+)"`)
	staticImport  = regexp.MustCompile(`(?m)^(?:import\s|export\s[^'";]*\sfrom\s)[^'";]*['"]([^'"]+)['"]`)
	dynamicImport = regexp.MustCompile(`\bimport\(\s*['"]([^'"]+)['"]\s*\)`)
)

// imports returns the paths of the modules that the module of the given path imports.
func imports(t *testing.T, importer string, kind *regexp.Regexp) []string {
	t.Helper()
	if path.Dir(importer) == "xterm" {
		return nil // bundles, which a checkout without a build lacks
	}
	source, err := files.ReadFile(importer)
	if err != nil {
		t.Fatalf("imported, but not embedded: %v", err)
	}
	var paths []string
	for _, m := range kind.FindAllSubmatch(source, -1) {
		specifier := string(m[1])
		if !strings.HasPrefix(specifier, "./") && !strings.HasPrefix(specifier, "../") {
			t.Errorf("%s imports %q, which no browser can resolve", importer, specifier)
			continue
		}
		paths = append(paths, path.Join(path.Dir(importer), specifier))
	}
	return paths
}

// Each page preloads exactly the modules that it imports first: one too few costs a
// round trip, one too many a request.
func TestPreloads(t *testing.T) {
	for _, page := range []string{"index.html", "files.html"} {
		entry := entryModule.FindSubmatch(Page(page))
		if entry == nil {
			t.Fatalf("%s has no entry module", page)
		}
		queue := []string{string(entry[1])}
		for _, first := range firstImports[page] {
			if !slices.Contains(imports(t, queue[0], dynamicImport), first) {
				t.Errorf("%s does not import %s dynamically", queue[0], first)
			}
			queue = append(queue, first)
		}
		seen := map[string]bool{}
		var want, got []string
		for len(queue) > 0 {
			module := queue[0]
			queue = queue[1:]
			if seen[module] {
				continue
			}
			seen[module] = true
			if module != string(entry[1]) { // which the script element loads
				want = append(want, module)
			}
			queue = append(queue, imports(t, module, staticImport)...)
		}
		for _, m := range preloaded.FindAllSubmatch(Page(page), -1) {
			got = append(got, string(m[1]))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s preloads\n%v\nwant\n%v", page, got, want)
		}
	}
}

// Every module and style sheet can be opened, including files in folders, and its
// compressed form has the same content.
func TestOpen(t *testing.T) {
	opened := map[string]bool{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, ok := Open(name)
		if want := types[path.Ext(name)]; ok != (want != "") || file.Type != want {
			t.Errorf("Open(%q) = %q, %v, want %q", name, file.Type, ok, want)
		}
		if !ok {
			return nil
		}
		opened[name] = true
		r, err := gzip.NewReader(bytes.NewReader(file.Gzip))
		if err != nil {
			return err
		}
		if data, err := io.ReadAll(r); err != nil || !bytes.Equal(data, file.Data) || len(data) == 0 {
			t.Errorf("%s: %d bytes, %v; %d compressed", name, len(file.Data), err, len(data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app.js", "style.css", "driver/socket.js"} {
		if !opened[name] {
			t.Errorf("%s can't be opened", name)
		}
	}
}

// The digest changes with the name and content of any file, including files in folders.
func TestDigest(t *testing.T) {
	with := func(name, text string) string {
		return digest(fstest.MapFS{"app.js": {Data: []byte("a")}, name: {Data: []byte(text)}})
	}
	digests := []string{with("driver/socket.js", "a"), with("driver/socket.js", "b"), with("driver/other.js", "a"), with("app.js", "b")}
	for i, d := range digests {
		if len(d) != 12 || slices.Contains(digests[:i], d) {
			t.Errorf("digests are %q", digests)
		}
	}
	if Digest() != digest(files) {
		t.Errorf("Digest() = %q, want %q", Digest(), digest(files))
	}
}

// TestOpenShares checks that a file exists once in memory, however many callers have it open.
func TestOpenShares(t *testing.T) {
	same := func(a, b []byte) bool { return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] }
	for name := range all() {
		first, _ := Open(name)
		opened := make(chan File)
		go func() {
			file, _ := Open(name)
			opened <- file
		}()
		if file := <-opened; !same(file.Data, first.Data) || !same(file.Gzip, first.Gzip) {
			t.Errorf("%s is kept twice", name)
		}
	}
	if _, ok := Open("index.html"); ok || len(all()) == 0 {
		t.Errorf("of %d files, the template of a page is one", len(all()))
	}
}
