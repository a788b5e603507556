package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const printed = `{"Action":"start","Package":"wsrun/b"}
{"Action":"attr","Package":"wsrun/b","Test":"TestZ","Key":"promise","Value":"z | holds"}
{"Action":"attr","Package":"wsrun/b","Test":"TestA","Key":"promise","Value":"a holds"}
{"Action":"attr","Package":"wsrun/b","Test":"TestA","Key":"figure","Value":"1 time"}
{"Action":"attr","Package":"wsrun/b","Test":"TestZ","Key":"figure","Value":"2 times"}
{"Action":"output","Package":"wsrun/b","Test":"TestZ","Output":"--- PASS\n"}
TAP version 13
# Subtest: outer
    # Subtest: inner
    ok 1 - inner \#1 # SKIP
      ---
      duration_ms: 1
      ...
    # promise: it holds | figure: 3 times
ok 1 - outer
`

const table = `| promise | figure reached | test |
| --- | --- | --- |
| a holds | 1 time | b: TestA |
| z \| holds | 2 times | b: TestZ |
| it holds | 3 times | static: inner #1 |
`

func TestTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(strings.NewReader(printed), file); err != nil {
		t.Fatal(err)
	}
	want := "before\n" + begin + "\n" + table + "\n" + end + "after\n"
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestFailures checks that a failure is in the table, and that the file then stays unchanged.
func TestFailures(t *testing.T) {
	for failure, row := range map[string]string{
		`{"Action":"fail","Package":"wsrun/b","Test":"TestA"}`:     "| a holds | FAILED | b: TestA |",
		`{"Action":"fail","Package":"wsrun/b","Test":"TestOther"}`: "| a holds | 1 time | b: TestA |",
		`{"Action":"build-fail","ImportPath":"wsrun/c"}`:           "| a holds | 1 time | b: TestA |",
		"not ok 2 - last\n# promise: more | figure: 4":             "| more | FAILED | static: last |",
	} {
		var r results
		if err := r.read(strings.NewReader(printed + failure + "\n")); err != nil {
			t.Fatal(err)
		}
		if got := r.table(); len(r.failed) != 1 || !slices.Contains(strings.Split(got, "\n"), row) {
			t.Errorf("%s: failed %q\n%s", failure, r.failed, got)
		}
		if err := run(strings.NewReader(printed+failure+"\n"), "/nowhere"); err == nil || !strings.HasPrefix(err.Error(), "failed: ") {
			t.Errorf("%s: %v", failure, err)
		}
	}
}
