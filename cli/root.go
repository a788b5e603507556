// Package cli is wsrun's command line: one file for each command, serve.go for what
// all listening commands share, flags, messages and exit statuses.
package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"wsrun/internal/tty"
)

// wsrun's own exit statuses, which are those of env(1) and nohup(1).
const (
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// A failure is an error that ends wsrun, with the exit status and a hint on how to
// fix it.
type failure struct {
	err  error
	code int
	hint string // may be empty
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail returns a failure of wsrun itself.
func fail(err error, hint string) error { return &failure{err, exitFailed, hint} }

const examples = `  wsrun tail -F /var/log/syslog       follow a log in the browser, too
  make 2>&1 | wsrun                   broadcast a pipe
  wsrun -a :9000 --qr htop            show a program to the room
  wsrun files /var/log                view and follow log files by URL`

// Main runs wsrun with the process's arguments and returns its exit status. --version
// prints version. Main must be the first call of the main function, because wsrun also
// starts itself as its own terminal watchdog.
func Main(version string) int {
	if os.Args[0] == tty.WatchdogName {
		if tty.RunWatchdog() != nil {
			return exitFailed
		}
		return 0
	}
	code := 0
	root := newRoot(version, &code)
	if err := root.Execute(); err != nil {
		return report(err)
	}
	return code
}

// newRoot returns the root command, which sets code when it runs.
func newRoot(version string, code *int) *cobra.Command {
	o := options{version: version}
	root := &cobra.Command{
		Use:   "wsrun [flags] COMMAND [ARG...]",
		Short: "Run a command and broadcast its output",
		Long: `Run a command under a pseudo-terminal and broadcast its output to any number of
viewers: a browser, or any WebSocket or HTTP client, gets the last lines and then
all that follows. Without a COMMAND, or with -, standard input is broadcast.

Every flag can also be given in the environment, as WSRUN_ADDR for --addr; with
commas between values where it can be repeated. A command that is called as one of
wsrun's own needs -- before it.`,
		Example:       examples,
		Version:       version,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			defer setLogHandler(c.Flags()) // for the error, too
			return fromEnvironment(c.Flags())
		},
		RunE: func(_ *cobra.Command, args []string) (err error) {
			*code, err = run(o, args)
			return err
		},
	}
	root.SetVersionTemplate("wsrun {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		fromEnvironment(c.Flags())
		setLogHandler(c.Flags())
		return fail(err, "see wsrun --help")
	})
	o.defineRun(root.Flags())
	root.Flags().SetInterspersed(false)
	root.AddCommand(newFilesCommand(version, code))
	return root
}

// fromEnvironment sets the flags that the command line did not set, from variables
// such as WSRUN_ADDR. The variable of a repeatable flag holds a list.
func fromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "WSRUN_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if f.Changed || !ok || value == "" && !guards(f) || f.Name == "help" || f.Name == "version" {
			return
		}
		err := f.Value.Set(value)
		if list, ok := f.Value.(pflag.SliceValue); ok {
			err = list.Replace(strings.Split(value, ","))
		}
		if f.Value.Type() == "bool" && err != nil {
			err = errors.New("want true or false")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("bad %s=%q: %w", name, value, err))
		}
	})
	if len(errs) > 0 {
		return fail(errs[0], "")
	}
	return nil
}

// guards reports whether a flag restricts access. For such a flag an empty variable,
// for example from WSRUN_TOKEN=$(cat missing), must not mean that there is no
// restriction.
func guards(f *pflag.Flag) bool {
	switch f.Value.(type) {
	case *secret, *fileName:
		return true
	}
	return false
}

// report prints an error and its hint and returns the exit status.
func report(err error) int {
	code, hint := exitFailed, ""
	var f *failure
	if errors.As(err, &f) {
		code, hint = f.code, f.hint
	}
	if hint == "" && errors.Is(err, syscall.EMFILE) {
		hint = "raise the limit on open files: ulimit -n, or LimitNOFILE= in a systemd unit"
	}
	sayHint(slog.LevelError, strings.ReplaceAll(err.Error(), "\n", " "), hint)
	return code
}
