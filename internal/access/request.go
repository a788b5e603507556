package access

import (
	"net/http"
	"strconv"
	"strings"
)

// HeaderHas reports whether one of a header's comma-separated values is want, whatever its
// case and parameters, but for a weight of zero, which means "not".
func HeaderHas(h http.Header, name, want string) bool {
	for _, value := range h.Values(name) {
		for v := range strings.SplitSeq(value, ",") {
			v, parameters, _ := strings.Cut(v, ";")
			if !strings.EqualFold(strings.TrimSpace(v), want) {
				continue
			}
			weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(parameters), "q="), 64)
			if err != nil || weight != 0 {
				return true
			}
		}
	}
	return false
}

// parameter returns the first value that a query has under a name, as it stands there. Neither
// is decoded: a parser would do that for all of the query.
func parameter(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value
		}
	}
	return ""
}

// hasParameter reports whether a query has a name, which is not decoded.
func hasParameter(query, name string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		if key, _, _ := strings.Cut(pair, "="); key == name {
			return true
		}
	}
	return false
}
