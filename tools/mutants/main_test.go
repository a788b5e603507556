package main

import (
	"path/filepath"
	"testing"
)

// TestPatchesApply checks that each patch can be applied. Checking that its test fails takes too
// long for this test; see make mutants.
func TestPatchesApply(t *testing.T) {
	root, err := output("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := read(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if _, err := output(root, "git", "apply", "--check", filepath.Join(root, folder, m.name+".patch")); err != nil {
			t.Error(err)
		}
	}
}
