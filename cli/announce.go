package cli

import (
	"fmt"
	"html"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cli/browser"
	"golang.org/x/term"
	"rsc.io/qr"

	"wsrun/hub"
	"wsrun/internal/tty"
)

// urls returns the URLs at which l can be reached: first from this machine and then, if
// l listens on all addresses, from others. asked is the host that the user named.
func (o *options) urls(l net.Listener, asked string) []string {
	fragment := ""
	if o.token != "" {
		fragment = tokenFragment + url.QueryEscape(string(o.token))
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return []string{"unix:" + l.Addr().String() + fragment}
	}
	hosts := []string{addr.IP.String()}
	switch {
	case addr.IP.IsUnspecified():
		hosts = append([]string{"localhost"}, lanAddresses()...)
	case asked != "":
		hosts[0] = asked
	}
	scheme := "http"
	if o.certificate != nil {
		scheme = "https"
	}
	for i, host := range hosts {
		hosts[i] = scheme + "://" + net.JoinHostPort(host, fmt.Sprint(addr.Port)) + o.basePath + fragment
	}
	return hosts
}

// tokenFragment comes before the token in a URL.
const tokenFragment = "#token="

func withoutToken(url string) string {
	url, _, _ = strings.Cut(url, tokenFragment)
	return url
}

// lanAddresses returns the addresses at which others can reach this machine, IPv4
// first.
func lanAddresses() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var v4, v6 []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		switch {
		case !ok || !n.IP.IsGlobalUnicast():
		case n.IP.To4() != nil:
			v4 = append(v4, n.IP.String())
		default:
			v6 = append(v6, n.IP.String())
		}
	}
	return slices.Concat(v4, v6)
}

// announce prints the URLs on standard error and, if o says so, a QR code, and opens a
// browser. The caller must call end before wsrun exits. The goroutine that starts the
// browser is left behind, because on some systems it takes until the browser is closed.
func announce(o options, urls []string, panics *hub.Panics) (end func()) {
	end = func() {}
	// If standard error isn't a terminal, it is a log that others may read: leave out a
	// token that the user knows. A token made for this run must be printed anyway.
	printed := slices.Clone(urls)
	for i, u := range urls {
		if !o.madeToken && !tty.IsTerminal(os.Stderr) {
			printed[i] = withoutToken(u)
		}
		say("%s", printed[i])
	}
	if _, json := jsonHandler(); o.qr && !json && strings.HasPrefix(urls[0], "http") {
		printQR(printed[min(1, len(urls)-1)]) // a phone can't reach localhost
	}
	if o.open && strings.HasPrefix(urls[0], "http") {
		address := urls[0]
		if o.token != "" {
			path, err := hide(address)
			if err != nil {
				say("open a browser: %v", err)
				return end
			}
			address, end = fileURL(path), func() { os.Remove(path) }
		}
		go func() {
			defer panics.Contain("open a browser", nil)
			browser.Stdout, browser.Stderr = nil, nil // what the browser prints would get into the output
			if err := browser.OpenURL(address); err != nil {
				say("open a browser: %v", err)
			}
		}()
	}
	return end
}

// hide writes a page that redirects to address, to a file that only the user can read.
// Other users of the machine could read address in the browser's arguments.
func hide(address string) (path string, err error) {
	f, err := os.CreateTemp("", "wsrun-*.html") // mode 0600
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "<!doctype html><meta http-equiv=refresh content=\"0; url=%s\">\n", html.EscapeString(address))
	return f.Name(), err
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // on Windows: file:///C:/
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// printQR prints text as a QR code on standard error, two modules per character. It
// sets the colours if it may, so that the code is also right on a light terminal.
func printQR(text string) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		say("make a QR code: %v", err)
		return
	}
	on, off := "", ""
	if term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("NO_COLOR") == "" {
		on, off = "\x1b[97;40m", "\x1b[0m"
	}
	const margin = 4 // modules, ISO/IEC 18004, section 6.3.8
	var b strings.Builder
	for y := -margin; y < code.Size+margin; y += 2 {
		b.WriteString(on)
		for x := -margin; x < code.Size+margin; x++ {
			// Light modules are drawn. Black returns false outside the code.
			switch top, bottom := !code.Black(x, y), !code.Black(x, y+1); {
			case top && bottom:
				b.WriteString("█")
			case top:
				b.WriteString("▀")
			case bottom:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString(off + "\n")
	}
	fmt.Fprint(os.Stderr, b.String())
}
