package cli

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"wsrun/internal/access"
	"wsrun/internal/tty"
)

// maxSecret is the maximum length of a token, in bytes.
const maxSecret = 1 << 10

// A secret is the value of a flag that must never be printed, not even as a default in
// the help.
type secret string

func (s *secret) Set(v string) error {
	if v == "" {
		return errors.New("it is empty; leave it out for none")
	}
	*s = secret(v)
	return nil
}
func (*secret) String() string { return "" }
func (*secret) Type() string   { return "string" }

// A fileName is the value of a flag that restricts access. An empty one, for example
// from an unset variable, is an error, because it must not lift the restriction.
type fileName string

func (n *fileName) Set(v string) error { return (*secret)(n).Set(v) }
func (n *fileName) String() string     { return string(*n) }
func (*fileName) Type() string         { return "string" }

// guardAccess checks the flags that restrict access, and reads the files that they
// name. free says that nothing else reads standard input. Messages never contain a
// secret.
func (o *options) guardAccess(free bool) error {
	os.Unsetenv("WSRUN_TOKEN") // child processes inherit the environment
	warn := func(err error) { say("%v; what was there before holds", err) }
	given := 0
	for _, is := range []bool{o.token != "", o.authFile != "", o.public} {
		if is {
			given++
		}
	}
	if given > 1 {
		return fail(errors.New("more than one of --token, --auth-file and --public is given"), "")
	}
	if o.token == "-" {
		if !free {
			return fail(errors.New("read the token: standard input has another use here"), "set WSRUN_TOKEN instead")
		}
		token, err := readSecret()
		if err != nil {
			return fail(fmt.Errorf("read the token: %w", err), "")
		}
		o.token = token
	}
	if t := string(o.token); len(t) > maxSecret || !utf8.ValidString(t) || t != strings.TrimSpace(t) || strings.ContainsFunc(t, unicode.IsControl) {
		return fail(fmt.Errorf("bad token: want at most %d bytes of text, without spaces around it", maxSecret), "")
	}
	var err error
	if o.authFile != "" {
		if o.users, err = access.OpenUsers(string(o.authFile), warn); err != nil {
			return fail(err, "htpasswd -B adds users")
		}
	}
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return fail(errors.New("--tls-cert and --tls-key need each other"), "")
	}
	if o.tlsCert != "" {
		if o.certificate, err = access.OpenCertificate(string(o.tlsCert), string(o.tlsKey), warn); err != nil {
			return fail(err, "")
		}
	}
	return o.checkNames()
}

// shortToken is the length in bytes below which a token that others can try to guess is
// too short.
const shortToken = 16

// makeToken makes a token if others can reach l and the user has not chosen who may read.
// It prints a warning about a short token.
func (o *options) makeToken(l net.Listener) {
	switch {
	case isPrivate(l):
	case o.token == "" && o.users == nil && !o.public:
		o.token, o.madeToken = secret(rand.Text()), true
	case o.token != "" && len(o.token) < shortToken:
		sayHint(slog.LevelWarn, fmt.Sprintf("the token is short: others can reach %s, and try", l.Addr()), "leave it out for a random one")
	}
}

// isPrivate reports whether only this machine can reach l. A Unix socket, which systemd
// may have made, is private if its mode keeps some of the machine's users out; an abstract
// one is open to all of them.
func isPrivate(l net.Listener) bool {
	if addr, ok := l.Addr().(*net.TCPAddr); ok {
		return addr.IP.IsLoopback()
	}
	path := l.Addr().String()
	info, err := os.Stat(path)
	return err == nil && path[0] != '@' && info.Mode().Perm()&0o002 == 0
}

var (
	basePath  = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*$`)
	otherHost = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|` + asciiName + `)(:[0-9]+)?$`)
	origin    = regexp.MustCompile(`^(https?)://(\[[0-9a-f:.]+\]|` + asciiName + `)(:[0-9]+)?$`)
)

// asciiName matches a host as browsers send it: they encode other characters as xn--.
const asciiName = `[A-Za-z0-9._-]+`

// isPort reports whether s is a valid port after a colon, or empty.
func isPort(s string) bool {
	_, err := strconv.ParseUint(strings.TrimPrefix(s, ":"), 10, 16)
	return s == "" || err == nil
}

// checkNames checks the flags that name wsrun's own hosts, origins and base path, and
// writes them as browsers send them.
func (o *options) checkNames() error {
	clean := strings.TrimSuffix(path.Clean(o.basePath), "/") + "/"
	if !basePath.MatchString(o.basePath) || strings.TrimSuffix(o.basePath, "/")+"/" != clean {
		return fail(fmt.Errorf("bad --base-path %q: want a path such as /logs/, of letters, digits, and ._~-", o.basePath), "")
	}
	o.basePath = clean
	for _, h := range o.allowHosts {
		if parts := otherHost.FindStringSubmatch(h); parts == nil || !isPort(parts[2]) {
			return fail(fmt.Errorf("bad --allow-host %q: want HOST or HOST:PORT, as browsers send it", h), "")
		}
	}
	for i, v := range o.allowOrigins {
		parts := origin.FindStringSubmatch(strings.ToLower(v))
		if parts == nil || !isPort(parts[3]) {
			return fail(fmt.Errorf("bad --allow-origin %q: want http or https, ://, a host and perhaps a port", v), "")
		}
		if port := parts[3]; parts[1] == "http" && port == ":80" || parts[1] == "https" && port == ":443" {
			parts[3] = "" // browsers leave it out
		}
		o.allowOrigins[i] = parts[1] + "://" + parts[2] + parts[3]
	}
	return nil
}

// readSecret reads a line from standard input, and not a byte more. A terminal does not
// show the line.
func readSecret() (secret, error) {
	var line []byte
	if tty.IsTerminal(os.Stdin) {
		fmt.Fprint(os.Stderr, "wsrun: token: ")
		typed, err := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(os.Stderr)
		if err != nil {
			return "", cause(err)
		}
		line = typed
	}
	for b := make([]byte, 1); !tty.IsTerminal(os.Stdin) && len(line) <= maxSecret; {
		_, err := io.ReadFull(os.Stdin, b)
		if err == io.EOF || b[0] == '\n' {
			break
		}
		if err != nil {
			return "", cause(err)
		}
		line = append(line, b[0])
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return "", errors.New("standard input has none")
	}
	return secret(line), nil
}
