// Promises prints a Markdown table of the promises that the tests have proved. It reads the
// output of go test -json and of Node's TAP reporter from standard input.
//
// A Go test that proves a promise sets two attributes, one after the other:
//
//	t.Attr("promise", "no cell of the guard's matrix leaks")
//	t.Attr("figure", fmt.Sprintf("%d cells", cells))
//
// A Node test calls t.diagnostic("promise: … | figure: …"). If the test fails, the table says
// FAILED instead of the figure. The exit status is 1 if any test fails. With -w FILE, and if
// nothing has failed, the table replaces the one in FILE between the lines
// "<!-- promises -->" and "<!-- end -->".
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

	// maxLine is the longest line of the input, in bytes. A failed test may print a lot.
	maxLine = 64 << 20
)

var write = flag.String("w", "", "`file` whose table is to be written anew")

func main() {
	flag.Parse()
	if err := run(os.Stdin, *write); err != nil {
		fmt.Fprintln(os.Stderr, "promises:", err)
		os.Exit(1)
	}
}

// run reads the tests' output from in, prints the table and, if file isn't empty, writes it to
// file.
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

// replace replaces the table in a file.
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

// A promise is a statement that a test proves, and the figure that the test has reached.
type promise struct {
	text, figure string
	test         string // package and name
}

// A results holds the promises and failures of all tests.
type results struct {
	promises []promise
	failed   []string // tests, and packages that don't build
}

// An event is a line of go test -json (go doc test2json).
type event struct{ Action, Package, Test, Key, Value string }

// read adds the results in the tests' output.
func (r *results) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	var tap string // name of the last test in TAP
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

// event adds the result in an event. A figure belongs to the test's last promise without one.
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

// Lines of TAP: a test's result, and a promise.
var (
	point      = regexp.MustCompile(`^(not )?ok \d+ - (.*?)( # .*)?$`)
	diagnostic = regexp.MustCompile(`^# promise: (.*) \| figure: (.*)$`)
)

// tap adds the result in a line of TAP, where a test's diagnostics follow its result. last is
// the name of the last test; tap returns the name after this line.
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

// table returns the table: packages in the order of their results, and a package's promises in
// alphabetical order.
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
