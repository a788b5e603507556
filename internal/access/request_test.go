package access

import (
	"net/http"
	"testing"
)

func TestHeaderHas(t *testing.T) {
	for list, want := range map[string]bool{
		"": false, "text/html": true, "TEXT/HTML": true, " text/html ": true, "text/plain, text/html": true, ",;,text/html": true,
		"text/html;q=0.1": true, "text/html; charset=x": true,
		"text/plain": false, "text/htmlx": false, "text/html;q=0": false, "text/html; q=0": false, "text/html;q=0.": false, "text/html;q=0.000": false,
		"text/html;q=0.001": true, "text/html;q=0, text/html": true, "text/html;q=": true, "text/html;q=x": true,
		"text/html;q=2e-324": true,
	} {
		if got := HeaderHas(http.Header{"Accept": {"*/*", list}}, "Accept", "text/html"); got != want {
			t.Errorf("%q: %v", list, got)
		}
	}
}
