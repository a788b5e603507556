//go:build linux

// Fanout measures what it takes to bring lines to many viewers: wsrun beside rawfan, the
// yardstick, and websocketd, which a user might pick instead.
//
//	fanout [-wsrun PATH] [-rawfan PATH] [-rows 1,2,4] [-runs 5] [-json FILE]
//	fanout -base PATH [-rows 1,2] [-pairs 15]
//	fanout -plot FILE >docs/fanout.svg
//
// It prints a table in Markdown, a row as soon as it is there, with its goals; a missed
// one is no error. The load and the servers share the machine, so figures are to be
// compared within one run, which is what the goals do where they can.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "bare" {
		exit(bare(os.Args[2:]))
	}
	self, err := os.Executable()
	if err != nil {
		exit(err)
	}
	runtime.GOMAXPROCS(max(3, runtime.NumCPU()+1)) // see epollWait
	var p programs
	flag.StringVar(&p.wsrun, "wsrun", "./wsrun", "`path` of wsrun")
	flag.StringVar(&p.rawfan, "rawfan", filepath.Join(filepath.Dir(self), "rawfan"), "`path` of rawfan")
	only := flag.String("rows", "", "`numbers` of the rows to measure, as 1,2,4 (default all)")
	runs := flag.Int("runs", 5, "how `often` to measure each")
	file := flag.String("json", "", "`file` for the figures")
	base := flag.String("base", "", "compare wsrun's CPU with that of another build, at this `path`")
	count := flag.Int("pairs", 15, "how `often` to run both")
	plotted := flag.String("plot", "", "draw the growth that is in a `file` of figures, as SVG")
	flag.Parse()
	if *plotted != "" {
		r, err := loadReport(*plotted)
		if err != nil {
			exit(err)
		}
		exit(plot(os.Stdout, r))
	}
	numbers, err := parseRows(*only)
	if err != nil || *runs < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if p.websocketd, err = exec.LookPath("websocketd"); err != nil {
		fmt.Fprintln(os.Stderr, "fanout: websocketd is not installed: without it")
	}
	if err := raiseFiles(); err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *base != "" {
		exit(pairs{p, programs{wsrun: *base}, *count}.measure(ctx, os.Stdout, numbers))
	}
	exit(measure(ctx, p, numbers, *runs, *file))
}

// exit ends the program, with a word about the error if there is one.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// parseRows returns the numbers in a list with commas, none for all.
func parseRows(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var numbers []int
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// raiseFiles raises the limit on open files to the hard one, also for the servers.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// measure measures the rows with these numbers, or all, prints them, and saves the
// report of those that could be measured before ctx is over.
func measure(ctx context.Context, p programs, numbers []int, runs int, file string) error {
	out := newReport(p, runs)
	out.heading(os.Stdout)
	var failed []error
	for _, r := range rows(p) {
		if numbers != nil && !slices.Contains(numbers, r.number) {
			continue
		}
		of, err := r.measure(ctx, runs)
		if ctx.Err() != nil {
			failed = append(failed, errors.New("interrupted"))
			break
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("row %d: %w", r.number, err))
			continue
		}
		row := r.report(of)
		row.write(os.Stdout)
		out.Rows = append(out.Rows, row)
	}
	if file != "" {
		failed = append(failed, out.save(file))
	}
	return errors.Join(failed...)
}

// rest is how long it is quiet before each run: the kernel still frees what the last one
// had, such as websocketd's process for each viewer.
const rest = 2 * time.Second

// measure runs the contenders in turns, and returns the figures of each.
func (r row) measure(ctx context.Context, runs int) ([][]figures, error) {
	runs *= max(r.times, 1)
	of := make([][]figures, len(r.contenders))
	for range runs {
		for i, c := range r.contenders {
			f, err := afterRest(ctx, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			of[i] = append(of[i], f)
		}
	}
	return of, nil
}
