package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A mutant is a bug, and whether a test has found it.
type mutant struct {
	name, broken, test, red string // from the patch

	by    string // name of the first test that failed
	wrong string // why the bug doesn't count as found; empty if it does
	took  time.Duration
}

// read returns the mutants of these names or, without names, all of them.
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
