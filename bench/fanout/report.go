//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A report is what was measured, as the JSON has it.
type report struct {
	Date    time.Time   `json:"date"`
	Machine string      `json:"machine"`
	Version string      `json:"version"` // of wsrun: its commit
	Runs    int         `json:"runs"`
	Rows    []rowReport `json:"rows"`
}

type rowReport struct {
	Number     int               `json:"number"`
	Work       string            `json:"work"`
	Viewers    int               `json:"viewers,omitempty"` // of the rows that show how the cost grows
	Contenders []contenderReport `json:"contenders"`
	Goals      []goalReport      `json:"goals"`
}

type contenderReport struct {
	Name   string    `json:"name"`
	Median figures   `json:"median"`
	Runs   []figures `json:"runs"`
}

// A goalReport says of a figure, which is in Unit, how it compares with the limit.
type goalReport struct {
	Figure  string  `json:"figure"`
	Unit    string  `json:"unit"`
	As      string  `json:"as,omitempty"` // "x NAME": Reached and Limit are ratios; "above NAME": differences
	Reached float64 `json:"reached"`
	Bound   string  `json:"bound,omitempty"`
	Limit   float64 `json:"limit"`
	OK      bool    `json:"ok"`
}

// newReport returns one without rows.
func newReport(p programs, runs int) report {
	version, err := exec.Command(p.wsrun, "--version").Output()
	if err != nil {
		version = []byte("unknown")
	}
	return report{Date: time.Now().UTC().Truncate(time.Second), Machine: machine(), Version: strings.TrimSpace(string(version)), Runs: runs}
}

// machine names the processor, how many there are, and the kernel.
func machine() string {
	model := runtime.GOARCH
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	var u unix.Utsname
	unix.Uname(&u)
	return fmt.Sprintf("%s, %d processors, Linux %s", model, runtime.NumCPU(), bytes.TrimRight(u.Release[:], "\x00"))
}

// report sums a row up. runs are the contenders' figures, of each run.
func (r row) report(runs [][]figures) rowReport {
	out := rowReport{Number: r.number, Work: r.work, Viewers: r.viewers}
	for i, c := range r.contenders {
		middle := figures{}
		for name := range runs[i][0] {
			middle[name] = median(of(runs[i], name))
		}
		out.Contenders = append(out.Contenders, contenderReport{Name: c.name, Median: middle, Runs: runs[i]})
	}
	for _, g := range r.goals {
		values := of(runs[0], g.figure)
		as := ""
		switch g.as {
		case ratio:
			as = "x " + r.contenders[1].name
			for i, v := range of(runs[1], g.figure) {
				values[i] /= v
			}
		case surplus:
			as = "above " + r.contenders[1].name
			for i, v := range of(runs[1], g.figure) {
				values[i] -= v
			}
		}
		reached := median(values)
		if g.worst {
			reached = slices.Max(values)
		}
		ok := g.bound == "" || g.bound == "≤" && reached <= g.limit || g.bound == "≥" && reached >= g.limit
		out.Goals = append(out.Goals, goalReport{Figure: g.figure, Unit: g.unit, As: as, Reached: reached, Bound: g.bound, Limit: g.limit, OK: ok})
	}
	return out
}

// of returns one figure of each run.
func of(runs []figures, name string) []float64 {
	values := make([]float64, len(runs))
	for i, f := range runs {
		values[i] = f[name]
	}
	return values
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// heading begins the table, in Markdown.
func (r report) heading(w io.Writer) {
	fmt.Fprintf(w, "%s, %s, %s, medians of %d\n\n", r.Date.Format(time.DateOnly), r.Machine, r.Version, r.Runs)
	fmt.Fprintln(w, "| # | work | reached | to reach | |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- |")
}

// write writes the row as lines of the table, one for each goal.
func (r rowReport) write(w io.Writer) {
	number, work := fmt.Sprint(r.Number), r.Work
	for _, g := range r.Goals {
		reached, unit := number3(g.Reached), g.Unit
		if strings.HasPrefix(g.As, "x ") {
			unit = ""
		}
		reached = strings.Join(strings.Fields(strings.Join([]string{g.Figure, reached, unit, g.As}, " ")), " ")
		if g.As != "" || len(r.Contenders) > 1 {
			var each []string
			for _, c := range r.Contenders {
				each = append(each, c.Name+" "+number3(c.Median[g.Figure]))
			}
			reached += " (" + strings.Join(each, ", ") + map[bool]string{true: " " + g.Unit}[unit != g.Unit] + ")"
		}
		goal, verdict := "", ""
		if g.Bound != "" {
			goal, verdict = g.Bound+" "+number3(g.Limit), "MISSED"
			if g.OK {
				verdict = "ok"
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", number, work, reached, goal, verdict)
		number, work = "", ""
	}
}

// number3 formats a number with three digits that mean something, and thousands in
// full.
func number3(f float64) string {
	if f >= 1000 || f <= -1000 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.3g", f)
}

// save writes the report to a file.
func (r report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// loadReport returns the report in a file.
func loadReport(path string) (r report, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read %q: %w", path, err)
	}
	return r, nil
}
