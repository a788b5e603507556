// Promises prints what the tests have proved, as a table in Markdown. It reads the
// output of go test -json and of node's TAP reporter from standard input.
//
// A Go test that proves a promise says so by two attributes, one after the other:
//
//	t.Attr("promise", "no cell of the guard's matrix leaks")
//	t.Attr("figure", fmt.Sprintf("%d cells", cells))
//
// One of Node's by t.diagnostic("promise: … | figure: …"). Where a test fails, the
// table says so instead of the figure, and the status is 1; so it is if anything else
// fails. With -w FILE the table takes the place of the one between FILE's two lines
// "<!-- promises -->" and "<!-- end -->", if nothing has failed.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

const (
	begin = "<!-- promises -->\n"
	end   = "<!-- end -->\n"

	// longest is how long a line of the input may be; a failed test may print a lot.
	longest = 64 << 20
)

var write = flag.String("w", "", "`file` whose table is to be written anew")

func main() {
	flag.Parse()
	if err := run(os.Stdin, *write); err != nil {
		fmt.Fprintln(os.Stderr, "promises:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, file string) error {
	var r results
	if err := r.read(in); err != nil {
		return err
	}
	table := r.table()
	fmt.Print(table)
	if len(r.failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(r.failed, ", "))
	}
	if len(r.promises) == 0 {
		return errors.New("no test has proved anything")
	}
	if file == "" {
		return nil
	}
	return replace(file, table)
}

// replace puts the table into a file.
func replace(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n"+table+"\n"+end+after), 0o644)
}

// A promise is what a test says that it proves.
type promise struct {
	text, figure string
	test         string // with its package
}

// results are what the tests have printed.
type results struct {
	promises []promise
	failed   []string // tests, and packages that don't build
}

// An event is a line of go test -json.
type event struct{ Action, Package, Test, Key, Value string }

func (r *results) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longest)
	var tap string // the last test of TAP
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if !bytes.HasPrefix(line, []byte("{")) {
			tap = r.tap(string(line), tap)
			continue
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("read %.100q: %w", line, err)
		}
		r.event(e)
	}
	return lines.Err()
}

func (r *results) event(e event) {
	_, name, _ := strings.Cut(e.Package, "/")
	test := strings.TrimSpace(name + " " + e.Test)
	switch {
	case e.Action == "attr" && e.Key == "promise":
		r.promises = append(r.promises, promise{text: e.Value, test: test})
	case e.Action == "attr" && e.Key == "figure":
		i := len(r.promises) - 1
		for i >= 0 && (r.promises[i].test != test || r.promises[i].figure != "") {
			i--
		}
		if i >= 0 {
			r.promises[i].figure = e.Value
		}
	case e.Action == "fail" || e.Action == "build-fail":
		r.failed = append(r.failed, cmp.Or(test, "the build"))
	}
}

var (
	point      = regexp.MustCompile(`^(not )?ok \d+ - (.*?)( # .*)?$`)
	diagnostic = regexp.MustCompile(`^# promise: (.*) \| figure: (.*)$`)
)

// tap takes a line of TAP, in which a test's diagnostics follow its result, and
// returns the name of the last test.
func (r *results) tap(line, last string) string {
	if m := diagnostic.FindStringSubmatch(line); m != nil {
		r.promises = append(r.promises, promise{m[1], m[2], last})
	}
	m := point.FindStringSubmatch(line)
	if m == nil {
		return last
	}
	test := "static " + strings.ReplaceAll(m[2], `\#`, "#")
	if m[1] != "" {
		r.failed = append(r.failed, test)
	}
	return test
}

// table returns the promises in the order of the packages, each's by name.
func (r *results) table() string {
	var packages []string
	of := func(p promise) string { name, _, _ := strings.Cut(p.test, " "); return name }
	for _, p := range r.promises {
		if !slices.Contains(packages, of(p)) {
			packages = append(packages, of(p))
		}
	}
	slices.SortStableFunc(r.promises, func(a, b promise) int {
		return cmp.Or(cmp.Compare(slices.Index(packages, of(a)), slices.Index(packages, of(b))), cmp.Compare(a.text, b.text))
	})
	cell := strings.NewReplacer("|", `\|`)
	var b strings.Builder
	b.WriteString("| promise | figure reached | test |\n| --- | --- | --- |\n")
	for _, p := range r.promises {
		if slices.Contains(r.failed, p.test) {
			p.figure = "FAILED"
		}
		name, test, _ := strings.Cut(p.test, " ")
		fmt.Fprintf(&b, "| %s | %s | %s: %s |\n", cell.Replace(p.text), cell.Replace(p.figure), name, cell.Replace(test))
	}
	return b.String()
}
