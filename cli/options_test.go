package cli

import (
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// FuzzValues checks that each kind of flag value is accepted only in its own form, and that
// what its String method returns is the same value.
func FuzzValues(f *testing.F) {
	for _, s := range []string{
		"", "0", "1", "-1", "+1", "10000", "2147483647", "2147483648", "1e3", "0x10", "1_000", " 1", "１",
		"8MiB", "64k", "64Ki", "65536b", "9999999999GiB", "9223372036854775807", "8i", "8ib", "8bb", "MiB",
		"120x30", "0x0", "65535x65535", "65536x1", "120x", "x30", "120X30", "1x1x1", "auto", "forever", "90s", "1h2m3.5s", "-1s",
		"0", "1d", "9999999h",
		"debug", "INFO", "warn+1", "error", "text", "json", "JSON",
	} {
		f.Add(s)
	}
	forms := map[string]*regexp.Regexp{
		"lines":   regexp.MustCompile(`^0*[1-9][0-9]*$`),
		"viewers": regexp.MustCompile(`^0*[1-9][0-9]*$`),
		"buffer":  regexp.MustCompile(`^\+?0*[1-9][0-9]*(?i:[kmg]i?b?|b?)$`),
		"history": regexp.MustCompile(`^(0|\+?0*[1-9][0-9]*(?i:[kmg]i?b?|b?))$`),
		"size":    regexp.MustCompile(`^0*[1-9][0-9]*x0*[1-9][0-9]*$`),
		"linger":  regexp.MustCompile(`^(auto|forever|[-+]?0+|\+?([0-9]*(\.[0-9]*)?(ns|us|µs|μs|ms|s|m|h))+|-([0.]+(ns|us|µs|μs|ms|s|m|h))+)$`),
		"level":   regexp.MustCompile(`^(debug|info|warn|error)$`),
		"format":  regexp.MustCompile(`^(text|json)$`),
	}
	f.Fuzz(func(t *testing.T, s string) {
		var o, again options
		values := func(o *options) map[string]pflag.Value {
			return map[string]pflag.Value{
				"lines": &o.lines, "viewers": &o.maxViewers, "buffer": &o.buffer, "size": &o.size, "history": &o.history, "linger": &o.linger,
				"level": &o.logLevel, "format": &o.logFormat,
			}
		}
		second := values(&again)
		for name, v := range values(&o) {
			if v.Set(s) != nil {
				continue
			}
			if !forms[name].MatchString(s) {
				t.Errorf("%s takes %q", name, s)
			}
			if err := second[name].Set(v.String()); err != nil || second[name].String() != v.String() {
				t.Errorf("%s: %q is %q, which is %q, %v", name, s, v, second[name], err)
			}
		}
		if o.lines < 0 || o.maxViewers < 0 || o.buffer < 0 || o.buffer > math.MaxInt || o.size.cols > 65535 ||
			o.size.rows > 65535 || o.linger.duration < 0 || o.linger.duration > math.MaxInt64*time.Nanosecond {
			t.Errorf("%q: %+v", s, o)
		}
	})
}
