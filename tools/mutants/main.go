// Mutants plants bugs in copies of the tree, one at a time, and checks that a test fails for
// each.
//
//	go -C tools run ./mutants [-j N] [-limit D] [NAME...]
//
// A bug is a file tools/mutants/NAME.patch: a line that says what is broken, lines of the form
// "key: value", and a unified diff. The key test is a test command. The test must pass without
// the bug, and must fail with it, by an assertion rather than because it doesn't build. Node's
// tests run in the directory static, with the copy's wsrun as $WSRUN. The optional key red is
// panic or hang, if that is how the test must fail instead.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// folder is the folder of the patches, relative to the repository's root.
const folder = "tools/mutants"

// grace is how long a command may take to end after its time is up, before it is killed.
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

// run tests the mutants of these names, or all mutants, in several copies of the tree, and
// prints a table.
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
	var green sync.Map // test command -> func() string that runs the test without a bug, once
	for i := range *jobs {
		t := tree(filepath.Join(dir, fmt.Sprint(i)))
		if err := t.copyFrom(root); err != nil {
			return err
		}
		workers.Go(func() {
			for m := range work {
				began := time.Now()
				without, _ := green.LoadOrStore(m.test, sync.OnceValue(func() string { return t.green(m.test) }))
				if m.wrong = without.(func() string)(); m.wrong == "" {
					if err := t.plant(root, m); err != nil {
						errs <- fmt.Errorf("%s: %w", m.name, err)
						for range work { // the sender must not block
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

// table prints a table of the mutants. It returns an error if some were not found.
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

// command returns a command that is interrupted when ctx is done, and killed after grace.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	return cmd
}

// output runs a command and returns its standard output without surrounding spaces. The error
// includes standard error.
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
