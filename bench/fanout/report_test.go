//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	r := row{number: 1, work: "some", contenders: []contender{{name: "a"}, {name: "b"}}, goals: []goal{
		{figure: "cpu", unit: "s", as: ratio, bound: "≤", limit: 0.5},
		{figure: "cpu", unit: "s", as: surplus, bound: "≤", limit: -4},
		{figure: "cpu", unit: "s", bound: "≥", limit: 3},
		{figure: "faults", worst: true, bound: "≤"},
		{figure: "cpu", unit: "s"},
	}}
	of := [][]figures{{{"cpu": 1, "faults": 0}, {"cpu": 2, "faults": 1}, {"cpu": 3, "faults": 0}}, {{"cpu": 5}, {"cpu": 4}, {"cpu": 6}}}
	var got strings.Builder
	r.report(of).write(&got)
	const want = `| 1 | some | cpu 0.5 x b (a 2, b 5 s) | ≤ 0.5 | ok |
|  |  | cpu -3 s above b (a 2, b 5) | ≤ -4 | MISSED |
|  |  | cpu 2 s (a 2, b 5) | ≥ 3 | MISSED |
|  |  | faults 1 (a 0, b 0) | ≤ 0 | MISSED |
|  |  | cpu 2 s (a 2, b 5) |  |  |
`
	if got.String() != want {
		t.Errorf("%s", got.String())
	}
}

func TestPlot(t *testing.T) {
	if err := plot(io.Discard, report{}); err == nil {
		t.Error("nothing was drawn without a word")
	}
	var r report
	for _, viewers := range []int{1, 100, 10_000} {
		r.Rows = append(r.Rows, row{number: growth, viewers: viewers, contenders: []contender{{name: "a"}, {name: "b"}}}.report(
			[][]figures{{{"chunk": 5, "rss": 30}}, {{"chunk": 4, "rss": 0}}}))
	}
	path := filepath.Join(t.TempDir(), "json")
	if err := r.save(path); err != nil {
		t.Fatal(err)
	}
	r, err := loadReport(path)
	if err != nil {
		t.Fatal(err)
	}
	var picture strings.Builder
	if err := plot(&picture, r); err != nil {
		t.Fatal(err)
	}
	d, circles := xml.NewDecoder(strings.NewReader(picture.String())), 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
			circles++
		}
	}
	if circles != 9 {
		t.Errorf("%d points, not 9: those of 0 have no place", circles)
	}
}
