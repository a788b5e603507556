// Mutants plants bugs, one at a time, in copies of the tree, and shows that a test
// turns red for each.
//
//	go -C tools run ./mutants [-j N] [-limit D] [NAME...]
//
// A bug is a file tools/mutants/NAME.patch: a line that says what is broken, lines
// of the form "key: value", and a unified diff. The key test is the command of the
// test that must fail, by an assertion and not by a build that fails, which must be
// green without the bug; node's run in static, with the copy's wsrun as $WSRUN. The
// key red, if given, is panic or hang: how the test ends instead.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// folder is where the patches are, below the repository's root.
const folder = "tools/mutants"

// grace is how long a command may take to end when its test's time is up.
const grace = 30 * time.Second

var (
	jobs  = flag.Int("j", 2, "`copies` of the tree, in each of which one bug at a time is planted")
	limit = flag.Duration("limit", 3*time.Minute, "`time` for one test")
)

func main() {
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// A mutant is a bug. Its fields up to red are its patch's.
type mutant struct {
	name, broken, test, red string

	by    string // the first test that failed
	wrong string // why it does not count as found; empty if it was
	took  time.Duration
}

func run(names []string) error {
	root, err := output("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	mutants, err := read(root, names)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	work := make(chan *mutant)
	errs := make(chan error, *jobs)
	var workers sync.WaitGroup
	var green sync.Map // by test's command: a function that runs it without a bug, once
	for i := range *jobs {
		c := copied(filepath.Join(dir, fmt.Sprint(i)))
		if err := c.make(root); err != nil {
			return err
		}
		workers.Go(func() {
			for m := range work {
				began := time.Now()
				without, _ := green.LoadOrStore(m.test, sync.OnceValue(func() string { return c.green(m.test) }))
				if m.wrong = without.(func() string)(); m.wrong == "" {
					if err := c.plant(root, m); err != nil {
						errs <- fmt.Errorf("%s: %w", m.name, err)
						for range work {
						}
						return
					}
				}
				m.took = time.Since(began)
				fmt.Fprintf(os.Stderr, "%s: %s\n", m.name, cmp.Or(m.wrong, "found by "+m.by))
			}
		})
	}
	for _, m := range mutants {
		work <- m
	}
	close(work)
	workers.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	return table(mutants)
}

// table prints what was found. The error says that not all was.
func table(mutants []*mutant) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	found := 0
	for _, m := range mutants {
		if m.wrong == "" {
			found++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.name, m.broken, cmp.Or(m.wrong, m.by), m.took.Round(time.Second))
	}
	w.Flush()
	fmt.Printf("%d of %d\n", found, len(mutants))
	if found < len(mutants) {
		return fmt.Errorf("%d not found", len(mutants)-found)
	}
	return nil
}

// read returns the mutants of these names, or all of them.
func read(root string, names []string) (mutants []*mutant, err error) {
	files, err := filepath.Glob(filepath.Join(root, folder, "*.patch"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		m := &mutant{name: strings.TrimSuffix(filepath.Base(file), ".patch")}
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		head, _, _ := strings.Cut(string(text), "\n--- ")
		for i, line := range strings.Split(head, "\n") {
			key, value, _ := strings.Cut(line, ": ")
			switch {
			case i == 0:
				m.broken = line
			case key == "test":
				m.test = value
			case key == "red":
				m.red = value
			}
		}
		if m.test == "" {
			return nil, fmt.Errorf("%s has no line \"test: \"", file)
		}
		mutants = append(mutants, m)
	}
	if len(mutants) < max(len(names), 1) {
		return nil, fmt.Errorf("of %q %d are in %s", names, len(mutants), folder)
	}
	return mutants, nil
}

// copied is the root of a copy of the tree.
type copied string

// make copies what git knows or would add, and what npm has made of it.
func (c copied) make(root string) error {
	list, err := output(root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	files := strings.FieldsFunc(list, func(r rune) bool { return r == 0 })
	made, _ := filepath.Glob(filepath.Join(root, "static/xterm/*"))
	for _, file := range made {
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		files = append(files, rel)
	}
	for _, file := range files {
		if err := copyFile(filepath.Join(root, file), filepath.Join(string(c), file)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	modules := "static/node_modules"
	return os.Symlink(filepath.Join(root, modules), filepath.Join(string(c), modules))
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}

// green runs a test and says what is wrong if it fails.
func (c copied) green(test string) string {
	if out, how := c.try(test); how != "" {
		return fmt.Sprintf("red without it: %s %s", how, failed(out))
	}
	return ""
}

// plant runs m's test with its bug, and takes that out again. An error means that the
// copy is of no more use.
func (c copied) plant(root string, m *mutant) error {
	patch := filepath.Join(root, folder, m.name+".patch")
	if _, err := output(string(c), "git", "apply", patch); err != nil {
		m.wrong = "the patch does not apply"
		return nil
	}
	if _, err := output(string(c), "go", "build", "./..."); err != nil {
		m.wrong = "it does not build"
	} else {
		out, how := c.try(m.test)
		m.by = failed(out)
		switch want := cmp.Or(m.red, "assertion"); {
		case how == "":
			m.wrong = "SURVIVES"
		case how != want:
			m.wrong = fmt.Sprintf("red by %s, not %s", how, want)
		}
	}
	_, err := output(string(c), "git", "apply", "-R", patch)
	return err
}

// try runs a test and tells how it failed, if it did.
func (c copied) try(test string) (out, how string) {
	dir := string(c)
	ctx, cancel := context.WithTimeout(context.Background(), *limit+grace)
	defer cancel()
	if rest, ok := strings.CutPrefix(test, "node --test "); ok {
		if out, err := output(dir, "go", "build", "-o", "wsrun", "."); err != nil {
			return out, "build"
		}
		dir = filepath.Join(dir, "static")
		test = fmt.Sprintf("node --test --test-reporter=tap --test-timeout=%d %s", limit.Milliseconds(), rest)
	} else if rest, ok := strings.CutPrefix(test, "go test "); ok {
		test = fmt.Sprintf("go test -timeout=%v %s", *limit, rest)
	}
	cmd := command(ctx, dir, "sh", "-c", "exec "+test)
	cmd.Env = append(cmd.Environ(), "WSRUN="+filepath.Join(string(c), "wsrun"))
	text, err := cmd.CombinedOutput()
	out = string(text)
	switch {
	case err == nil && (strings.Contains(out, "[no tests to run]") || strings.Contains(out, "\n# pass 0\n")):
		return out, "no such test"
	case err == nil:
		return out, ""
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return out, "build"
	case ctx.Err() != nil || strings.Contains(out, "panic: test timed out") || strings.Contains(out, "testTimeoutFailure"):
		return out, "hang"
	case strings.Contains(out, "\npanic: ") || strings.Contains(out, "fatal error: "):
		return out, "panic"
	case failed(out) == "":
		return out, "something else"
	}
	return out, "assertion"
}

var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)|^ *not ok \d+ - (.*)`)

// failed returns the name of the first test that failed.
func failed(out string) string {
	m := failure.FindStringSubmatch(out)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// command returns a command that is interrupted, then killed, when ctx ends.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	return cmd
}

// output returns what a command prints.
func output(dir, name string, args ...string) (string, error) {
	cmd := command(context.Background(), dir, name, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, said.String())
	}
	return strings.TrimSpace(string(out)), err
}
