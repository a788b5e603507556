//go:build linux

package faults

import (
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	_ "wsrun/cli" // makes go test's cached results depend on wsrun's code
	"wsrun/test/launch"
)

var (
	seed = flag.Uint64("seed", 0, "repeat what this seed did; 0 takes another each time")
	long = flag.Bool("long", false, "run the long set")

	executable string // path of wsrun, set by TestMain
)

// tagVariable is the environment variable that tags the processes that a test has started. It
// also makes the test binary run as the command that its arguments name.
const tagVariable = "WSRUN_FAULTS"

func TestMain(m *testing.M) {
	if os.Getenv(tagVariable) != "" {
		os.Exit(child(os.Args[1:]))
	}
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fmt.Printf("faults: -seed %d\n", *seed)
	os.Exit(runAll(m))
}

// runAll builds wsrun, runs the tests and returns their exit status.
func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	if executable, err = launch.Build(dir); err != nil {
		fmt.Println(err)
		return 1
	}
	// Parallel tests mostly wait, so more of them can run than there are processors.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set("8")
	}
	return m.Run()
}

// random returns the random numbers of t, which follow from the seed.
func random(t testing.TB) *rand.Rand {
	return rand.New(rand.NewPCG(*seed, uint64(crc32.ChecksumIEEE([]byte(t.Name())))))
}

// iterations returns how often to repeat something: inShort, or inLong with -long.
func iterations(inShort, inLong int) int {
	if *long {
		return inLong
	}
	return inShort
}
