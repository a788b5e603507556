package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A tree is the root of a copy of the repository.
type tree string

// copyFrom copies the files that git tracks or would add, and those that npm has built.
func (t tree) copyFrom(root string) error {
	list, err := output(root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	files := strings.FieldsFunc(list, func(r rune) bool { return r == 0 })
	built, _ := filepath.Glob(filepath.Join(root, "static/xterm/*"))
	for _, file := range built {
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		files = append(files, rel)
	}
	for _, file := range files {
		if err := copyFile(filepath.Join(root, file), filepath.Join(string(t), file)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	modules := "static/node_modules"
	return os.Symlink(filepath.Join(root, modules), filepath.Join(string(t), modules))
}

// copyFile copies a file, and makes the folders that it needs.
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

// green runs a test without a bug, and returns what is wrong if it fails, or "".
func (t tree) green(test string) string {
	if out, how := t.run(test); how != "" {
		return fmt.Sprintf("red without it: %s %s", how, failed(out))
	}
	return ""
}

// plant runs m's test with its bug, sets m.by and m.wrong, and removes the bug. After an error,
// the tree is unusable.
func (t tree) plant(root string, m *mutant) error {
	patch := filepath.Join(root, folder, m.name+".patch")
	if _, err := output(string(t), "git", "apply", patch); err != nil {
		m.wrong = "the patch does not apply"
		return nil
	}
	if _, err := output(string(t), "go", "build", "./..."); err != nil {
		m.wrong = "it does not build"
	} else {
		out, how := t.run(m.test)
		m.by = failed(out)
		switch want := cmp.Or(m.red, "assertion"); {
		case how == "":
			m.wrong = "SURVIVES"
		case how != want:
			m.wrong = fmt.Sprintf("red by %s, not %s", how, want)
		}
	}
	_, err := output(string(t), "git", "apply", "-R", patch)
	return err
}

// run runs a test, and returns its output and how it failed: "" if it passed, "assertion",
// "panic", "hang", or a reason why the test proves nothing.
func (t tree) run(test string) (out, how string) {
	dir := string(t)
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
	cmd.Env = append(cmd.Environ(), "WSRUN="+filepath.Join(string(t), "wsrun"))
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

// failure matches the line of a failed test, of go test or TAP.
var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)|^ *not ok \d+ - (.*)`)

// failed returns the name of the first test that failed, or "".
func failed(out string) string {
	m := failure.FindStringSubmatch(out)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}
