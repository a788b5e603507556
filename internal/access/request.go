package access

import (
	"net/http"
	"strings"
)

// HeaderHas reports whether a header's comma-separated list contains want, ignoring case and
// parameters. A value with the weight zero is left out of the list (RFC 9110, section 12.4.2).
func HeaderHas(h http.Header, name, want string) bool {
	for _, list := range h.Values(name) {
		for element := range strings.SplitSeq(list, ",") {
			v, parameters, _ := strings.Cut(element, ";")
			if !strings.EqualFold(strings.TrimSpace(v), want) {
				continue
			}
			if !zeroWeight(parameters) {
				return true
			}
		}
	}
	return false
}

// zeroWeight reports whether the parameters of an element are a weight of zero, such as q=0 or
// q=0.000. [strconv.ParseFloat] would take 20 microseconds for numbers like 2e-324, of which one
// header holds hundreds.
func zeroWeight(parameters string) bool {
	decimals, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q=0")
	return ok && (decimals == "" || strings.Trim(decimals, "0") == ".")
}

// parameter returns the first value that a query has for a name. Names and values are not
// decoded, because a parser would decode the whole query, and the guard uses parameter.
func parameter(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value
		}
	}
	return ""
}

// hasParameter reports whether a query has a name. Like parameter, it decodes nothing.
func hasParameter(query, name string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		if key, _, _ := strings.Cut(pair, "="); key == name {
			return true
		}
	}
	return false
}
