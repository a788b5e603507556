package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"wsrun/broadcaster"
	"wsrun/history"
	"wsrun/internal/access"
)

// options holds the values of all flags.
type options struct {
	version string

	addr    string
	lines   lineCount
	buffer  byteCount
	history historySize
	size    size
	title   string
	linger  lingerTime
	quiet   bool
	open    bool
	qr      bool

	hidden  bool // for wsrun files only, like include and exclude
	include []string
	exclude []string

	public       bool
	token        secret
	madeToken    bool // the token was made for this run
	authFile     fileName
	tlsCert      fileName
	tlsKey       fileName
	basePath     string
	allowHosts   []string
	allowOrigins []string

	maxViewers  viewerCount
	logLevel    logLevel
	logFormat   logFormat
	compress    compression
	users       *access.Users       // from authFile, once guardAccess has read it
	certificate *access.Certificate // from tlsCert, likewise
}

// defineRun defines the flags of wsrun itself.
func (o *options) defineRun(f *pflag.FlagSet) {
	o.defineServer(f, "127.0.0.1:9000")
	o.linger = lingerTime{auto: true}
	f.Var(&o.size, "size", "`COLSxROWS` of the command's terminal (default the local terminal's, else 120x30)")
	f.StringVar(&o.title, "title", "", "`TITLE` of the page (default the command)")
	f.Var(&o.linger, "linger", "serve for `TIME` after the end: a duration, forever, or auto (forever when started from a terminal, else 0)")
	o.history = history.DefaultBytes
	f.Var(&o.history, "history", "keep up to `SIZE` of earlier output on disk, encrypted, so that slow viewers lose nothing; 0 keeps none")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "do not copy the output to standard output")
}

// defineFiles defines the flags of wsrun files.
func (o *options) defineFiles(f *pflag.FlagSet) {
	o.defineServer(f, "127.0.0.1:8765")
	f.BoolVar(&o.hidden, "hidden", false, "show dotfiles too")
	f.StringArrayVar(&o.include, "include", nil, "show only files that match `GLOB`, as *.log or app/**/*.txt; repeatable")
	f.StringArrayVar(&o.exclude, "exclude", nil, "do not show files that match `GLOB`, or are below such a directory; repeatable")
}

// defineServer defines the flags of all listening commands. addr is the default of
// --addr.
func (o *options) defineServer(f *pflag.FlagSet, addr string) {
	o.lines, o.buffer = broadcaster.DefaultLines, broadcaster.DefaultBytes
	f.StringVarP(&o.addr, "addr", "a", addr, "listen on `HOST:PORT` (port 0: any free one) or unix:PATH; a socket from systemd wins")
	f.VarP(&o.lines, "lines", "n", "keep the last `N` lines for those who join late")
	f.Var(&o.buffer, "buffer", "keep at most `BYTES` of them, as 8MiB")
	f.BoolVar(&o.open, "open", false, "open a browser")
	f.BoolVar(&o.qr, "qr", false, "print the URL as a QR code, not in --log-format json")
	f.BoolVar(&o.public, "public", false, "need no token on an address that others can reach")
	f.Var(&o.token, "token", "`TOKEN` that viewers need (default a random one where others can reach the address). "+
		"Others on this machine see arguments: - reads a line from standard input, and WSRUN_TOKEN stays out of sight")
	f.Var(&o.authFile, "auth-file", "let in the users of `FILE`, made by htpasswd -B, instead of a token")
	f.Var(&o.tlsCert, "tls-cert", "serve https, with the certificate in `FILE` (PEM); read again when it changes")
	f.Var(&o.tlsKey, "tls-key", "`FILE` of the certificate's key (PEM)")
	f.StringVar(&o.basePath, "base-path", "/", "serve below `PATH`: one that a reverse proxy does not strip")
	f.StringArrayVar(&o.allowHosts, "allow-host", nil, "answer to a further `HOST[:PORT]`, as the Host header has it")
	f.Var(&o.compress, "compress", "deflate output for browsers and other WebSockets that can inflate: `WHEN` is on or off")
	f.Var(&o.maxViewers, "max-viewers", "turn away more than `N` viewers at a time (default the limit on open files less 128)")
	f.Var(&o.logLevel, "log-level", "log what is of `LEVEL` debug, info, warn or error; viewers come and go at debug")
	f.Var(&o.logFormat, "log-format", "print wsrun's own words in `FORMAT` text or json")
	f.StringArrayVar(&o.allowOrigins, "allow-origin", nil, "let pages of a further `ORIGIN`, "+
		"as https://example.com, read by WebSocket and show the page, with ?embed, in a frame")
}

// A lineCount is a number of lines, at least 1.
type lineCount int

func (n *lineCount) Set(s string) error {
	v, err := strconv.ParseUint(s, 10, 31)
	if err != nil || v == 0 {
		return errors.New("want a number of lines, at least 1")
	}
	*n = lineCount(v)
	return nil
}
func (n *lineCount) String() string { return strconv.Itoa(int(*n)) }
func (*lineCount) Type() string     { return "int" }

// A byteCount is a number of bytes, at least 1. A flag may give it with a unit.
type byteCount int64

func (n *byteCount) Set(s string) error {
	err := errors.New("want a number of bytes, as 65536, 64KiB or 8MiB")
	digits := strings.TrimRight(s, "kKmMgGiIbB")
	unit := strings.TrimSuffix(strings.ToLower(s[len(digits):]), "b")
	if len(unit) > 1 {
		unit = strings.TrimSuffix(unit, "i")
	}
	shift, ok := map[string]int{"": 0, "k": 10, "m": 20, "g": 30}[unit]
	v, numErr := strconv.ParseInt(digits, 10, 64)
	if !ok || numErr != nil || v < 1 || v > math.MaxInt>>shift {
		return err
	}
	*n = byteCount(v << shift)
	return nil
}

func (n *byteCount) String() string {
	for _, u := range []struct {
		shift int
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
		if *n > 0 && *n%(1<<u.shift) == 0 {
			return fmt.Sprintf("%d%s", *n>>u.shift, u.name)
		}
	}
	return strconv.FormatInt(int64(*n), 10)
}
func (*byteCount) Type() string { return "bytes" }

// A historySize is a number of bytes, or zero for no history.
type historySize int64

func (n *historySize) Set(s string) error {
	if s == "0" {
		*n = 0
		return nil
	}
	if (*byteCount)(n).Set(s) != nil {
		return errors.New("want a number of bytes, for example 256MiB or 2GiB, or 0")
	}
	return nil
}
func (n *historySize) String() string { return (*byteCount)(n).String() }
func (*historySize) Type() string     { return "bytes" }

// A compression is on or off.
type compression struct{ off bool }

func (c *compression) Set(s string) error {
	if s != "on" && s != "off" {
		return errors.New("want on or off")
	}
	c.off = s == "off"
	return nil
}

func (c *compression) String() string {
	if c.off {
		return "off"
	}
	return "on"
}
func (*compression) Type() string { return "when" }

// A size is a terminal's size, or zero if the flag was not given.
type size struct{ cols, rows int }

func (z *size) Set(s string) error {
	cols, rows, _ := strings.Cut(s, "x")
	c, cErr := strconv.ParseUint(cols, 10, 16)
	r, rErr := strconv.ParseUint(rows, 10, 16)
	if cErr != nil || rErr != nil || c == 0 || r == 0 {
		return errors.New("want COLSxROWS, as 120x30")
	}
	*z = size{int(c), int(r)}
	return nil
}

func (z *size) String() string {
	if *z == (size{}) {
		return ""
	}
	return fmt.Sprintf("%dx%d", z.cols, z.rows)
}
func (*size) Type() string { return "size" }

// A lingerTime is how long to serve after the end: a duration, forever, or auto, which
// means forever if wsrun was started from a terminal, and otherwise not at all.
type lingerTime struct {
	auto, forever bool
	duration      time.Duration
}

func (l *lingerTime) Set(s string) error {
	switch s {
	case "auto":
		*l = lingerTime{auto: true}
		return nil
	case "forever":
		*l = lingerTime{forever: true}
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return errors.New("want a duration, as 90s, or forever, or auto")
	}
	*l = lingerTime{duration: d}
	return nil
}

func (l *lingerTime) String() string {
	switch {
	case l.auto:
		return "auto"
	case l.forever:
		return "forever"
	}
	return l.duration.String()
}
func (*lingerTime) Type() string { return "time" }
