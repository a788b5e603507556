package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"wsrun/hub"
)

// formatQueries name a format, or seem to. literal reports whether the first format has a value,
// with nothing decoded; a request with such a query is not for the page.
var formatQueries = []struct {
	query   string
	literal bool
}{
	{"", false}, {"format", false}, {"format=", false}, {"format=raw", true}, {"format=text", true}, {"format=%72aw", true}, {"format=%", true},
	{"f%6frmat=raw", false}, {"f%6Frmat=text", false}, {"%66%6f%72%6d%61%74=raw", false}, {"format%3draw", false}, {"format%20=raw", false},
	{"format+=raw", false}, {"+format=raw", false}, {"%20format=raw", false}, {"format%00=raw", false}, {"Format=raw", false}, {"?format=raw", false},
	{"x;format=raw", false}, {"format;=raw", false}, {"format=;x", true}, {"x&format=raw", true}, {"&&format=raw", true}, {"x=%26format=raw", false},
	{"format=&format=raw", false}, {"format&format=raw", false}, {"f%6frmat=raw&format=raw", true}, {"format=raw&f%6frmat=", true},
	{"f%6frmat=raw&format=", false}, {"f%6frmat=raw&n=all&grep=hush", false}, {"n=all&format=raw", true}, {"embed&f%6frmat=raw", false},
}

// formatAccepts are Accept headers. html reports whether they ask for the page.
var formatAccepts = []struct {
	accept string
	html   bool
}{
	{"", false}, {"*/*", false}, {"text/*", false}, {"text/html", true}, {"TEXT/HTML", true}, {"text/html;q=0", false}, {"text/event-stream", false},
	{"text/event-stream, text/html", true}, {"text/plain, text/html;q=0.1", true}, {"application/json", false},
}

// Without a token, a request gets either the page without output or a refusal. Which of them is
// decided once, by the guard, from the query as it was sent: if another part of wsrun decoded it
// and decided again, f%6frmat=raw could be the page for one and the output for the other.
func TestFormatIsDecidedOnce(t *testing.T) {
	command := serveStream(t, hub.Options{Title: "hush"}, Options{Token: "secret"})
	command.Write([]byte(logContent))
	command.end(0)
	files := serve(t, Options{Catalog: newLogFile(t), Token: "secret"})
	requests, pages := 0, 0
	for _, target := range []struct {
		b    *bench
		path string
	}{{command, "/"}, {files, "/a.log"}, {files, "/"}, {files, "/no.log"}} {
		for _, q := range formatQueries {
			for _, a := range formatAccepts {
				for _, upgrade := range []string{"", "websocket", "h2c"} {
					page := a.html && !q.literal && upgrade != "websocket"
					requests++
					if page {
						pages++
					}
					r := formatRequest(target.b, target.path, q.query, a.accept, upgrade)
					r.check(t, page)
				}
			}
		}
	}
	t.Attr("promise", "however a query spells format, without the token there is no output")
	t.Attr("figure", fmt.Sprintf("%d requests, %d of them for the page", requests, pages))
}

// A formatCase is a request for a form.
type formatCase struct {
	*http.Request
	b *bench
}

func formatRequest(b *bench, path, query, accept, upgrade string) formatCase {
	r, _ := http.NewRequest("GET", "http://"+b.addr, nil)
	r.URL.Path, r.URL.RawQuery = path, query
	for name, value := range map[string]string{"Accept": accept, "Upgrade": upgrade} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if upgrade != "" {
		r.Header.Set("Connection", "Upgrade")
	}
	return formatCase{r, b}
}

// check makes the request without the token, for which page says whether the answer is the page,
// and with it.
func (c formatCase) check(t *testing.T, page bool) {
	t.Helper()
	want := http.StatusUnauthorized
	if page {
		want = http.StatusOK
	}
	resp, err := c.b.client().Do(c.Request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	isPage := strings.HasPrefix(string(body), doctype)
	if err != nil || resp.StatusCode != want || isPage != page || strings.Contains(string(body), "hush") {
		t.Errorf("%s, %v: %s, %q, %v", c.URL, c.Header, resp.Status, body, err)
	}
	if c.Header.Get("Upgrade") == "websocket" {
		return // its answer has no end that can be read here
	}
	c.Header.Set("Authorization", "Bearer secret")
	resp, err = c.b.client().Do(c.Request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	start := make([]byte, len(doctype)) // of what may be followed
	n, _ := io.ReadFull(resp.Body, start)
	if isPage := string(start[:n]) == doctype; isPage && !page || page && !isPage && resp.StatusCode == http.StatusOK {
		t.Errorf("with a token, %s, %v: %s, %q", c.URL, c.Header, resp.Status, start)
	}
}

// doctype is what the page begins with.
const doctype = "<!doctype html>"
