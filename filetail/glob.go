package filetail

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Check returns an error that names the first malformed pattern and wraps
// [path.ErrBadPattern].
func (o ListOptions) Check() error {
	for _, pattern := range slices.Concat(o.Include, o.Exclude) {
		for segment := range strings.SplitSeq(pattern, "/") {
			if _, err := path.Match(segment, ""); err != nil {
				return fmt.Errorf("match %q: %w", pattern, err)
			}
		}
	}
	return nil
}

// matchAny reports whether one of the patterns matches a file with path rel below the
// directory of its grant, and absolute path abs.
func matchAny(patterns []string, rel, abs string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		switch {
		case strings.HasPrefix(pattern, "/"):
			return matchPath(strings.Split(pattern, "/"), strings.Split(abs, "/"))
		case strings.Contains(pattern, "/"):
			return matchPath(strings.Split(pattern, "/"), strings.Split(rel, "/"))
		case pattern == "**":
			return true
		}
		ok, _ := path.Match(pattern, path.Base(rel))
		return ok
	})
}

// matchPath matches segment by segment. It only backtracks to the last "**", as when
// matching wildcards in a single name, so the time it takes is at most proportional to the
// product of the two lengths.
func matchPath(pattern, name []string) bool {
	i, star, from := 0, -1, 0
	for k := 0; k < len(name); {
		if i < len(pattern) && pattern[i] == "**" {
			star, from = i, k
			i++
			continue
		}
		if i < len(pattern) {
			if ok, _ := path.Match(pattern[i], name[k]); ok {
				i++
				k++
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		i, k = star+1, from
	}
	for ; i < len(pattern); i++ {
		if pattern[i] != "**" {
			return false
		}
	}
	return true
}
