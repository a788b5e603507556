package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A file's epoch stays while the file only grows, and changes with its content.
func TestEpochs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id := identify(f)
	if id == (identity{}) {
		t.Fatal("the file can't be identified")
	}
	var known, another epochs
	first := known.of(id, f)
	f.WriteString("one\n")
	known.read(id, 4, []byte("one\n"))
	f.WriteString("two\n")
	if got := known.of(id, f); got != first || len(got) != 32 {
		t.Errorf("the file has grown: %s instead of %s", got, first)
	}
	if got := another.of(id, f); id.created != 0 && got != first {
		t.Errorf("another wsrun calls it %s instead of %s", got, first)
	}
	if err := os.WriteFile(name, []byte("1\n2\n3\n4\n5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := known.of(id, f)
	if second == first || known.of(id, f) != second {
		t.Errorf("other content is called %s, and then %s", second, known.of(id, f))
	}
	if known.renew(id); known.of(id, f) == second {
		t.Error("content that was replaced keeps its name")
	}
	for i := range maxEpochs {
		known.renew(identity{inode: uint64(i), created: 1})
	}
	if _, ok := known.get(id); ok || len(known.known) != maxEpochs {
		t.Errorf("%d files are remembered", len(known.known))
	}
	unknown := identity{device: 1, inode: 2}
	if a, b := another.of(unknown, f), (&epochs{}).of(unknown, f); a == b {
		t.Error("a file that may be another one keeps its name: " + fmt.Sprint(a))
	}
}
