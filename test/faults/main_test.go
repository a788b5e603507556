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

	_ "wsrun/cli" // so that go test knows on what its cached results depend
	"wsrun/test/launch"
)

var (
	seed = flag.Uint64("seed", 0, "repeat what this seed did; 0 takes another each time")
	long = flag.Bool("long", false, "run the long set")

	executable string // wsrun, once TestMain has built it
)

// childMark is the variable that marks what a test has started, and that makes the
// test binary the command that its arguments say.
const childMark = "WSRUN_FAULTS"

func TestMain(m *testing.M) {
	if os.Getenv(childMark) != "" {
		os.Exit(child(os.Args[1:]))
	}
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fmt.Printf("faults: -seed %d\n", *seed)
	os.Exit(runAll(m))
}

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
	// What runs in parallel here mostly waits.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set("8")
	}
	return m.Run()
}

// random returns the numbers that the seed has for t.
func random(t testing.TB) *rand.Rand {
	return rand.New(rand.NewPCG(*seed, uint64(crc32.ChecksumIEEE([]byte(t.Name())))))
}

// times returns how often to do something in the set that runs.
func times(inShort, inLong int) int {
	if *long {
		return inLong
	}
	return inShort
}
